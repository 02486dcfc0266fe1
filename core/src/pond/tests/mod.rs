//! Claims about folds, and the slow obvious judge.

mod convergence;
mod fold;
mod grow_only;
mod owner;
mod patience;
mod source;
