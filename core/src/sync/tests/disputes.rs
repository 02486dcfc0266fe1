//! What a peer can do to a node that looks for forks, and what it cannot.
