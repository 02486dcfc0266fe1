mod forks;
mod forms;
mod planted;
mod policy;
mod rivals;
mod schedules;
mod story;
mod world;
