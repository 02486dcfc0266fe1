//! Instruments that tests and benches share: the model, workloads, subjects.
//!
//! Not here: claims (`tests/it`).
