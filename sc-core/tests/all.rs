//! The tests of the machines and parsers in one program, for mutation testing, which links them anew for each mutant.
//!
//! Runs only when it is named (assurance/mutants.md): each file is a test of its own too.
#![cfg(feature = "rustcrypto")]

#[path = "documents.rs"]
mod documents;
#[path = "edges.rs"]
mod edges;
#[path = "guarantees.rs"]
mod guarantees;
#[path = "limits.rs"]
mod limits;
#[path = "properties.rs"]
mod properties;
#[path = "refusals.rs"]
mod refusals;
#[path = "splice.rs"]
mod splice;
#[path = "tamper.rs"]
mod tamper;
