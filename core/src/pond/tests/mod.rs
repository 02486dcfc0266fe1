//! Claims about folds, and the slow obvious judge.

mod convergence;
mod fold;

mod patience;
mod source;
