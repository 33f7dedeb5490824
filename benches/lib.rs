//! What the benchmarks of the folder `benches`, the examples that measure and the report share: see `README.md` there.

pub mod figures;
