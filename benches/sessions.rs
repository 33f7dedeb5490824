//! Sessions for a store, made as the server machine makes them, but without the RSA operation.

use std::sync::LazyLock;

use rand_core::CryptoRng;
use sc_core::document::SessionRequest;
use sc_core::envelope::Profile;
use sc_core::id::{ClientHash, KeyId, SessionId, UnixMillis};
use sc_core::replay::{IvClaim, LedgerVerdict};
use sc_core::secret::{CandidateKeys, UnwrappedKey};
use sc_core::server::{Grant, NewSession, Server};

/// A moment in 2026.
pub const NOW: UnixMillis = UnixMillis(1_795_467_600_000);

/// A new session that lasts a day.
pub fn new_session<R: CryptoRng>(rng: &mut R) -> NewSession {
    static REQUEST: LazyLock<SessionRequest> = LazyLock::new(|| {
        let key_id = KeyId::parse("00112233445566778899aabbccddeeff").unwrap();
        SessionRequest::new(key_id, &[1; 256], &[2; 256], Profile::Bound)
    });
    let server = Server::default();
    let setup = server.set_up(&REQUEST).unwrap();
    let wrapped = setup.wrapped(2048).unwrap();
    let mut key = || {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        UnwrappedKey::from_result(Some(&key))
    };
    let (request, response) = (key(), key());
    let keys = CandidateKeys::combine(rng, request, response);
    let unclaimed = setup.accept(wrapped, keys, ClientHash::of(b"a-device").unwrap()).unwrap();
    let grant = Grant { id: SessionId::draw(rng), expires_at: NOW.plus(24 * 60 * 60 * 1000) };
    unclaimed.settle(LedgerVerdict::New, grant).unwrap()
}

/// The claim of a message with a fresh IV.
pub fn new_claim<R: CryptoRng>(rng: &mut R) -> IvClaim {
    let mut claim = [0; IvClaim::LEN];
    rng.fill_bytes(&mut claim);
    IvClaim::from_bytes(claim)
}
