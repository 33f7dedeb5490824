//! What does not compile: the type is the state. Each case stands beside a twin that does compile and differs only in
//! the line that matters, so that none fails for another reason.
//!
//! # One request, one answer
//!
//! ```
//! # use sc_core::{provider::Provider, session::Pending};
//! fn open<P: Provider>(pending: Pending<'_, P>, one: &mut [u8]) {
//!     let _ = pending.open(one);
//! }
//! ```
//! ```compile_fail,E0382
//! # use sc_core::{provider::Provider, session::Pending};
//! fn open<P: Provider>(pending: Pending<'_, P>, one: &mut [u8]) {
//!     let _ = pending.open(one);
//!     let _ = pending.open(one);
//! }
//! ```
//! ```compile_fail,E0599
//! # use sc_core::{provider::Provider, session::Pending};
//! fn open<P: Provider>(pending: Pending<'_, P>, one: &mut [u8]) {
//!     let _ = pending.clone().open(one);
//! }
//! ```
//! ```
//! # use sc_core::{provider::Aead, server::Responder};
//! fn answer<A: Aead, R: rand_core::CryptoRng>(responder: Responder<'_, A>, rng: &mut R, out: &mut [u8]) {
//!     let _ = responder.seal_into(rng, b"one", out);
//! }
//! ```
//! ```compile_fail,E0382
//! # use sc_core::{provider::Aead, server::Responder};
//! fn answer<A: Aead, R: rand_core::CryptoRng>(responder: Responder<'_, A>, rng: &mut R, out: &mut [u8]) {
//!     let _ = responder.seal_into(rng, b"one", out);
//!     let _ = responder.seal_into(rng, b"two", out);
//! }
//! ```
//! ```compile_fail,E0599
//! # use sc_core::{provider::Aead, server::Responder};
//! fn answer<A: Aead, R: rand_core::CryptoRng>(responder: Responder<'_, A>, rng: &mut R, out: &mut [u8]) {
//!     let _ = responder.clone().seal_into(rng, b"one", out);
//! }
//! ```
//!
//! # One set-up, one session
//!
//! ```
//! # use sc_core::{client::AwaitingSession, document::SessionAnswer, id::{Ticks, UnixMillis}, provider::Provider};
//! fn accept<P: Provider>(awaiting: AwaitingSession<P>, answer: &SessionAnswer) {
//!     let _ = awaiting.accept(answer, UnixMillis(0), Ticks(0));
//! }
//! ```
//! ```compile_fail,E0382
//! # use sc_core::{client::AwaitingSession, document::SessionAnswer, id::{Ticks, UnixMillis}, provider::Provider};
//! fn accept<P: Provider>(awaiting: AwaitingSession<P>, answer: &SessionAnswer) {
//!     let _ = awaiting.accept(answer, UnixMillis(0), Ticks(0));
//!     let _ = awaiting.accept(answer, UnixMillis(0), Ticks(0));
//! }
//! ```
//! ```compile_fail,E0382
//! # use sc_core::{client::AwaitingFirst, id::{SessionId, Ticks}, provider::Provider, session::Lifetime};
//! fn accept<P: Provider>(first: AwaitingFirst<'_, P>, id: SessionId, life: Lifetime, body: &mut [u8]) {
//!     let _ = first.open(id, life, Ticks(0), body);
//!     let _ = first.open(id, life, Ticks(0), body);
//! }
//! ```
//!
//! # Keys are not copied, compared, read or written
//!
//! ```
//! # use sc_core::secret::{RequestKey, ResponseKey, SessionKeys};
//! fn pair(one: RequestKey, two: ResponseKey) {
//!     let _ = SessionKeys::new(one, two);
//! }
//! ```
//! ```compile_fail,E0308
//! # use sc_core::secret::{RequestKey, ResponseKey, SessionKeys};
//! fn pair(one: RequestKey, two: ResponseKey) {
//!     let _ = SessionKeys::new(two, one);
//! }
//! ```
//! ```compile_fail,E0308
//! # use sc_core::secret::SessionKeys;
//! fn copy(keys: &SessionKeys) -> SessionKeys {
//!     keys.clone()
//! }
//! ```
//! ```compile_fail,E0382
//! # use sc_core::secret::{RequestKey, ResponseKey, SessionKeys};
//! fn pair(one: RequestKey, two: ResponseKey) {
//!     let _ = SessionKeys::new(one, two);
//!     drop(one);
//! }
//! ```
//! ```compile_fail,E0369
//! # use sc_core::secret::SessionKeys;
//! fn compare(one: &SessionKeys, two: &SessionKeys) -> bool {
//!     one == two
//! }
//! ```
//! ```compile_fail,E0369
//! # use sc_core::secret::RequestKey;
//! fn compare(one: &RequestKey, two: &RequestKey) -> bool {
//!     one == two
//! }
//! ```
//! ```compile_fail,E0624
//! # use sc_core::secret::SessionKeys;
//! fn read(keys: &SessionKeys) {
//!     let _ = keys.request();
//! }
//! ```
//! ```compile_fail,E0624
//! # use sc_core::secret::RequestKey;
//! fn read(key: &RequestKey) {
//!     let _ = key.bytes();
//! }
//! ```
//! ```compile_fail,E0277
//! # use sc_core::secret::RequestKey;
//! fn write(key: &RequestKey) {
//!     let _ = serde_json::to_string(key);
//! }
//! ```
//! ```compile_fail,E0277
//! # use sc_core::secret::SessionKeys;
//! fn default() -> SessionKeys {
//!     Default::default()
//! }
//! ```
//!
//! # A key of one direction does not open the other
//!
//! ```
//! # use sc_core::{channel::Opener, provider::Aead, secret::ResponseKey};
//! fn opener<A: Aead>(key: &ResponseKey) {
//!     let _ = Opener::<A>::for_responses(key);
//! }
//! ```
//! ```compile_fail,E0308
//! # use sc_core::{channel::Opener, provider::Aead, secret::ResponseKey};
//! fn opener<A: Aead>(key: &ResponseKey) {
//!     let _ = Opener::<A>::for_requests(key);
//! }
//! ```
//!
//! # Nobody asks whether one key unwrapped, or judges twice
//!
//! ```
//! # use sc_core::secret::CandidateKeys;
//! fn judge(keys: CandidateKeys) -> bool {
//!     keys.into_keys().is_ok()
//! }
//! ```
//! ```compile_fail,E0382
//! # use sc_core::secret::CandidateKeys;
//! fn judge(keys: CandidateKeys) -> bool {
//!     keys.into_keys().is_ok() || keys.into_keys().is_ok()
//! }
//! ```
//! ```compile_fail,E0616
//! # use sc_core::secret::UnwrappedKey;
//! fn judge(key: &UnwrappedKey) -> bool {
//!     key.valid.into()
//! }
//! ```
//!
//! # An IV comes from the wire or from a sealer
//!
//! ```
//! # use sc_core::id::Iv;
//! fn read(iv: Iv) -> [u8; 12] {
//!     *iv.as_bytes()
//! }
//! ```
//! ```compile_fail,E0423
//! # use sc_core::id::Iv;
//! fn make() -> Iv {
//!     Iv([0; 12])
//! }
//! ```
//!
//! # No plaintext before its claim is settled, and none after it is refused
//!
//! ```
//! # use sc_core::{provider::Aead, replay::ClaimVerdict, server::UnclaimedMessage};
//! fn read<A: Aead>(message: UnclaimedMessage<'_, '_, A>, verdict: ClaimVerdict) -> Option<u8> {
//!     message.settle(verdict).ok()?.plaintext.first().copied()
//! }
//! ```
//! ```compile_fail,E0616
//! # use sc_core::{provider::Aead, replay::ClaimVerdict, server::UnclaimedMessage};
//! fn read<A: Aead>(message: UnclaimedMessage<'_, '_, A>, verdict: ClaimVerdict) -> Option<u8> {
//!     message.plaintext.first().copied()
//! }
//! ```
//! ```compile_fail,E0382
//! # use sc_core::{provider::Aead, replay::ClaimVerdict, server::UnclaimedMessage};
//! fn read<A: Aead>(message: UnclaimedMessage<'_, '_, A>, verdict: ClaimVerdict) -> Option<u8> {
//!     let _ = message.settle(verdict);
//!     message.settle(ClaimVerdict::New).ok()?.plaintext.first().copied()
//! }
//! ```
//! ```compile_fail,E0616
//! # use sc_core::{provider::Aead, server::UnclaimedFirst};
//! fn read<A: Aead>(message: UnclaimedFirst<'_, '_, A>) -> Option<u8> {
//!     message.plaintext.first().copied()
//! }
//! ```
//!
//! # The body cannot be read behind the back of a message that may still be wiped
//!
//! ```compile_fail,E0502
//! # use sc_core::server::{RequestHead, Server};
//! fn read(server: &Server, head: &RequestHead<'_>, body: &mut [u8]) {
//!     let received = server.receive(head, body);
//!     let first = body.first();
//!     drop((received, first));
//! }
//! ```
//!
//! # A responder comes from an opened request only
//!
//! ```compile_fail,E0624
//! # use sc_core::{id::{Iv, MessageName, SessionId}, provider::Aead, server::{Responder, SessionRecord}};
//! fn make<A: Aead>(record: &SessionRecord, id: SessionId, iv: Iv, name: MessageName<'_>) {
//!     let _ = Responder::<A>::new(record, id, iv, name);
//! }
//! ```
//!
//! # A session outlives its pending answers
//!
//! ```compile_fail,E0505
//! # use sc_core::{provider::Provider, session::{Pending, Session}};
//! fn lose<'s, P: Provider>(session: Session<P>, seal: fn(&Session<P>) -> Pending<'_, P>, body: &mut [u8]) {
//!     let pending = seal(&session);
//!     drop(session);
//!     let _ = pending.open(body);
//! }
//! ```
