//! An RSA key whose private operations wait for the test.

use std::sync::Arc;
use std::sync::{Condvar, Mutex};

use rand_core::CryptoRng;
use sc_core::secret::UnwrappedKey;
use sc_std::keys::{KeyRing, PrivateKey};

use super::{START, fixed_key};

/// How many private operations have begun, and whether they may end.
#[derive(Default)]
pub struct Gate {
    state: Mutex<(usize, bool)>,
    moved: Condvar,
}

impl Gate {
    /// A ring of one key behind a closed gate.
    pub fn ring() -> (Arc<Self>, Arc<KeyRing>) {
        let gate = Arc::new(Self::default());
        let key = Box::new(Gated { key: fixed_key(), gate: Arc::clone(&gate) });
        (gate, Arc::new(KeyRing::from_keys(vec![key], START).unwrap()))
    }

    pub fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.moved.notify_all();
    }

    pub fn close(&self) {
        self.state.lock().unwrap().1 = false;
    }

    /// Private operations that have begun.
    pub fn begun(&self) -> usize {
        self.state.lock().unwrap().0
    }

    /// Waits until so many private operations have begun.
    pub async fn has_begun(&self, operations: usize) {
        while self.begun() < operations {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        while !state.1 {
            state = self.moved.wait(state).unwrap();
        }
    }
}

struct Gated {
    key: Box<dyn PrivateKey>,
    gate: Arc<Gate>,
}

impl PrivateKey for Gated {
    fn modulus_bits(&self) -> usize {
        self.key.modulus_bits()
    }
    fn spki_der(&self) -> &[u8] {
        self.key.spki_der()
    }
    fn unwrap_key(&self, rng: &mut dyn CryptoRng, wrapped: &[u8]) -> UnwrappedKey {
        self.gate.pass();
        self.key.unwrap_key(rng, wrapped)
    }
}
