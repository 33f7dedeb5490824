//! Benchmarks of SCv2's hot paths; see the folder `benches`. Run them with `cargo bench --package sc-benches`.
