//! What the benchmarks of the folder `benches`, the examples that measure and the report share: see `README.md` there.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot run should say so at once")]
#![allow(clippy::missing_panics_doc, reason = "as above: whatever fails panics")]

pub mod figures;
pub mod pair;
pub mod sessions;
pub mod timed;
pub mod turns;
