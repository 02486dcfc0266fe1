mod forms;
mod schedules;
mod story;
mod world;
