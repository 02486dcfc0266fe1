//! The native half of the Python package: Python's values and threads in front of the facade.
//!
//! Not here: defaults, limits, waiting, handles and what anything means (`millpond-facade`), and
//! the asyncio side (`millpond/aio.py`, which only starts operations and drains a queue).
//! Rule: no thread of ours ever attaches to the interpreter, and nothing here runs Python bytecode
//! except the signal handlers of the main thread. Every wait happens in `gate`, without the GIL.
//! Begin with `node`; batches become events in `flow`.

#![forbid(unsafe_code)]

mod arguments;
mod batch;
mod blobs;
mod cursor;
mod deed;
mod doing;
mod drafts;
mod errors;
mod event;
mod event_key;
mod explanation;
mod fish;
mod flow;
mod fold;
mod functions;
mod gate;
mod group;
mod kept;
mod key_subscription;
mod lab;
mod node;
mod observer;
mod offsets;
mod options;
mod payload_in;
mod payload_out;
mod pond;
mod queue;
mod reader;
mod rewind;
mod scarce;
mod session;
mod standing;
mod subscription;
mod texts;
mod turn;

use pyo3::prelude::*;

/// Private: `millpond` and `millpond.aio` are the surface.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::batch::{Batch, BatchIterator};
    #[pymodule_export]
    use super::blobs::{BlobReader, BlobWork, BlobWriter, Blobs};
    #[pymodule_export]
    use super::cursor::Cursor;
    #[pymodule_export]
    use super::deed::Deed;
    #[pymodule_export]
    use super::doing::Doings;
    #[pymodule_export]
    use super::drafts::{Cbor, are_plain};
    #[pymodule_export]
    use super::event::Event;
    #[pymodule_export]
    use super::event_key::EventKey;
    #[pymodule_export]
    use super::explanation::{Explanation, Looks};
    #[pymodule_export]
    use super::fish::Spec;
    #[pymodule_export]
    use super::flow::Flow;
    #[pymodule_export]
    use super::fold::Fold;
    #[pymodule_export]
    use super::functions::{
        decode, encode, encode_state, error_table, fence_admits, log_drain, log_set_level,
        nested_effect_error, new_swarm_secret, next_swarm_secret, parse_ticket, user_code_error,
        value_of_json, version,
    };
    #[pymodule_export]
    use super::gate::{after_fork_in_child, close_all, set_main_thread};
    #[pymodule_export]
    use super::group::Group;
    #[pymodule_export]
    use super::key_subscription::KeySubscription;
    #[pymodule_export]
    use super::lab::{
        Lab, LabBackup, LabShrink, LawCheck, lab_seeds, lab_without, lint_query, replay_hint,
    };
    #[pymodule_export]
    use super::node::{Node, open_node, open_start};
    #[pymodule_export]
    use super::observer::{Observer, State};
    #[pymodule_export]
    use super::offsets::Offsets;
    #[pymodule_export]
    use super::options::Options;
    #[pymodule_export]
    use super::pond::Pond;
    #[pymodule_export]
    use super::queue::{Operation, Queue};
    #[pymodule_export]
    use super::rewind::Rewind;
    #[pymodule_export]
    use super::scarce::Scarce;
    #[pymodule_export]
    use super::session::Session;
    #[pymodule_export]
    use super::standing::{Doing, Loss};
    #[pymodule_export]
    use super::subscription::Subscription;
    #[pymodule_export]
    use super::turn::Turn;
}
