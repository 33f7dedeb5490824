//! The store in memory keeps every rule that any store must keep.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::KeyId;
use sc_core::replay::LedgerVerdict;
use sc_std::reset::ResetTokens;
use sc_std::store::{MemoryStore, Store, StoreOptions, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_in_memory_conforms() {
    conformance::check(&Arc::new(MemoryStore::default())).await.unwrap();
    conformance::check_message_limit(&Arc::new(MemoryStore::default())).await.unwrap();
    let small = MemoryStore::new(StoreOptions::default().with_max_sessions(10));
    conformance::check_full(&Arc::new(small), 10).await.unwrap();
    conformance::check_tokens(&Arc::new(ResetTokens::new(60_000, 100))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_forgets_ivs_is_found_out() {
    let forgetful = MemoryStore::new(StoreOptions::default().without_replay_check());
    let violation = conformance::check(&Arc::new(forgetful)).await.unwrap_err().to_string();
    assert!(
        violation.starts_with("the same IV and tag are a replay; the store said Ok(Some(New))"),
        "{violation}"
    );
    let large = MemoryStore::default();
    let violation = conformance::check_full(&Arc::new(large), 5).await.unwrap_err().to_string();
    assert!(violation.starts_with("a full store refuses"), "{violation}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_with_a_ledger_file_conforms_and_its_successor_refuses_what_it_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger");
    let open = || Arc::new(MemoryStore::with_ledger_file(StoreOptions::default(), &file).unwrap());
    conformance::check(&open()).await.unwrap();
    let (key, hashes) =
        (KeyId::parse("kept").unwrap(), [7, 8].map(|byte| WrappedKeyHash::from_bytes([byte; 32])));
    let store = open();
    assert_eq!(store.claim_wrapped(&key, &hashes, None).await, Ok(LedgerVerdict::New));
    drop(store);
    let successor = open();
    assert_eq!(successor.knows_wrapped(&key, &hashes).await, Ok(true));
    assert_eq!(successor.claim_wrapped(&key, &hashes, None).await, Ok(LedgerVerdict::Repeated));
}
