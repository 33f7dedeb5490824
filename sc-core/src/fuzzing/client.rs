//! The client machine under any sequence of operations: keys, set-ups, messages, time, and a server that lies.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use super::{Clear, Count, Input, client_with, device, key_id, mutate, name, profile};
use crate::channel::IvMode;
use crate::client::{Client, ClientOptions, ProfileChoice, State};
use crate::document::{Profiles, PublicKeyDocument, SessionAnswer};
use crate::envelope::Profile;
use crate::error::{Error, KeyRefusal, Misuse};
use crate::exchange::unwrap_keys;
use crate::id::{Iv, SessionId, Ticks, UnixMillis};
use crate::replay::{ClaimVerdict, LedgerVerdict};
use crate::rustcrypto::Aes256GcmKey;
use crate::server::{Grant, NewSession, Received, RequestHead, Server, SessionRecord};
use crate::session::{Phase, Session};

const OPERATIONS: usize = 96;

/// A session, its record at an honest server, and what the model knows of it.
struct Held {
    session: Rc<Session<Clear>>,
    record: SessionRecord,
    ivs: BTreeSet<Iv>,
    closed: bool,
    /// It was over once, and time goes on only.
    over: bool,
}

struct World {
    rng: Count,
    choice: ProfileChoice,
    client: Client<Clear>,
    /// Until when the model believes the key to be fresh.
    fresh: Option<u64>,
    offers_bound: bool,
    now: u64,
    held: Vec<Held>,
}

/// One run of the client machine.
///
/// # Panics
/// If the machine and the model disagree.
pub fn client(data: &[u8]) {
    let mut input = Input(data);
    let choice = match input.byte() % 3 {
        0 => ProfileChoice::Plain,
        1 => ProfileChoice::BoundIfOffered,
        _ => ProfileChoice::RequireBound,
    };
    let ivs = if input.flag() { IvMode::Counter } else { IvMode::Random };
    let options = ClientOptions::default().with_profile(choice).with_ivs(ivs);
    let mut world = World {
        rng: Count::of(data),
        choice,
        client: Client::new(options),
        fresh: None,
        offers_bound: false,
        now: 1_000,
        held: Vec::new(),
    };
    for _ in 0..OPERATIONS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.check();
    }
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.held.len());
        match input.byte() % 8 {
            0 => self.accept_key(input),
            1 => self.set_up(input),
            2 => {
                self.client.forget_key();
                self.fresh = None;
            }
            3 => {
                let units = [1, 100, 60_000, 3_600_000];
                let unit = units[input.below(units.len())];
                self.now += u64::from(input.byte()) * unit;
            }
            4 => {
                if let Some(held) = self.held.get_mut(at) {
                    held.session.close();
                    held.closed = true;
                }
            }
            _ => self.talk(at, input),
        }
    }

    /// What holds at every moment.
    fn check(&mut self) {
        let now = Ticks(self.now);
        let fresh = self.fresh.is_some_and(|until| self.now < until);
        assert_eq!(self.client.has_fresh_key(now), fresh);
        let without = if fresh { State::NeedsSession } else { State::NeedsKey };
        assert_eq!(self.client.state(None, now), without);
        for held in &mut self.held {
            let phase = held.session.phase(now);
            assert_eq!(phase == Phase::Closed, held.closed);
            let state = self.client.state(Some(&held.session), now);
            match phase {
                Phase::Ready => assert!(!held.over && state == State::Ready),
                Phase::AboutToExpire => assert!(!held.over && state == State::AboutToExpire),
                Phase::Expired | Phase::Closed => {
                    held.over = true;
                    assert_eq!(state, without);
                }
            }
        }
    }

    /// A key document that may contradict itself, or not offer what is required.
    fn accept_key(&mut self, input: &mut Input<'_>) {
        let offers_bound = input.flag();
        let (bits, fresh_ms) = ([2048, 2048, 2048, 3072][input.below(4)], 1 + 100 * input.short());
        let profiles = if offers_bound { Profiles::BOUND } else { Profiles::PLAIN };
        let document = PublicKeyDocument::new(key_id(), input.take(4), bits, "", None, profiles);
        let fresh_ms = u64::try_from(fresh_ms).unwrap_or_default();
        let accepted = self.client.accept_key(&document.expect("short"), Ticks(self.now), fresh_ms);
        let expected = if bits != 2048 {
            Err(Error::KeyRefused(KeyRefusal::KeySize { said: bits, is: 2048 }))
        } else if self.choice == ProfileChoice::RequireBound && !offers_bound {
            Err(Error::KeyRefused(KeyRefusal::BoundNotOffered))
        } else {
            self.fresh = Some(self.now.saturating_add(fresh_ms));
            self.offers_bound = offers_bound;
            Ok(())
        };
        assert_eq!(accepted, expected);
    }

    /// The server's part of a set-up.
    fn serve_set_up(&mut self, request: &crate::document::SessionRequest) -> NewSession {
        let server = Server::default();
        let setup = server.set_up(request).expect("both profiles are taken");
        let wrapped = setup.wrapped(2048).expect("of the right length");
        let keys = unwrap_keys(&Clear, &mut self.rng, wrapped);
        let grant = Grant { id: SessionId::draw(&mut self.rng), expires_at: UnixMillis(u64::MAX) };
        let unclaimed = setup.accept(wrapped, keys, device(0)).expect("both unwrap");
        unclaimed.settle(LedgerVerdict::New, grant).expect("new")
    }

    /// A set-up whose answer says anything about times, and perhaps another profile.
    fn set_up(&mut self, input: &mut Input<'_>) {
        let begun = self.client.begin(&mut self.rng);
        let Ok((request, awaiting)) = begun else {
            assert!(begun.is_err_and(|error| error == Error::Misuse(Misuse::NoKey)) && self.fresh.is_none());
            return;
        };
        let created = self.serve_set_up(&request);
        let own = created.record.profile();
        let bound = self.choice != ProfileChoice::Plain && self.offers_bound;
        assert_eq!(own == Profile::Bound, bound);
        let said = if input.byte() % 4 == 0 { [Profile::Plain, Profile::Bound][input.below(2)] } else { own };
        let expires_at = u64::try_from(input.short()).unwrap_or_default() * 10_000;
        let idle = input.flag().then(|| u32::from(input.byte()) * 30);
        let answer = SessionAnswer::new(created.id, expires_at, idle, said);
        let timestamp = UnixMillis(u64::try_from(input.short()).unwrap_or_default() * 10_000);
        let session = awaiting.accept(&answer, timestamp, Ticks(self.now));
        assert_eq!(session.is_ok(), said == own);
        if let Ok(session) = session {
            assert!(matches!(session.phase(Ticks(self.now)), Phase::Ready | Phase::AboutToExpire));
            let session = Rc::new(session);
            let (ivs, record) = (BTreeSet::new(), created.record);
            self.held.push(Held { session, record, ivs, closed: false, over: false });
        }
    }

    /// A request, and an answer that is its own, changed, another's, or plain.
    fn talk(&mut self, at: usize, input: &mut Input<'_>) {
        let now = Ticks(self.now);
        let Some(held) = self.held.get_mut(at) else { return };
        let session = Rc::clone(&held.session);
        let phase = session.phase(now);
        let text = input.take(8);
        let (mut body, room) = (vec![0; text.len() + 32], text.len() + 31);
        let misused = session.seal_into(&mut self.rng, now, name(), text, &mut body[..room]);
        assert!(misused.is_err(), "a buffer that is too short");
        let pending = match session.seal_into(&mut self.rng, now, name(), text, &mut body) {
            Ok(pending) => pending,
            Err(error) => {
                let expected = if held.closed { Error::Misuse(Misuse::Closed) } else { Error::Expired };
                assert_eq!(error, expected);
                assert!(matches!(phase, Phase::Expired | Phase::Closed));
                return;
            }
        };
        assert!(matches!(phase, Phase::Ready | Phase::AboutToExpire));
        let iv = Iv(*body[4..].first_chunk().expect("an IV"));
        assert!(held.ivs.insert(iv), "an IV comes twice");

        let id = *session.id();
        let head = RequestHead { session_id: Some(id.as_str()), version: None };
        let Ok(Received::Message(message)) = Server::default().receive(&head, &mut body) else {
            unreachable!("a request is type 2")
        };
        let unclaimed = message.open::<Aes256GcmKey>(Some(&held.record), &device(0), UnixMillis(1), name());
        let opened = unclaimed.expect("honest").settle(ClaimVerdict::New).expect("new");
        assert_eq!(opened.plaintext, text);
        let mut answer = vec![0; text.len() + 32];
        opened.responder.seal_into(&mut self.rng, text, &mut answer).expect("fits");
        let original = answer.clone();
        match input.byte() % 4 {
            0 => mutate(&mut answer, input),
            1 => answer = self.answer_of_another(),
            _ => {}
        }
        let own = answer == original;
        let opened = pending.open(&mut answer).map(|opened| opened.to_vec());
        assert_eq!(opened.is_ok(), own, "another answer opens, or its own does not");
        assert!(opened.is_ok_and(|opened| opened == text) || !own);
    }

    /// The right answer, of a session of somebody else.
    fn answer_of_another(&mut self) -> Vec<u8> {
        let (request, _) = client_with(profile(self.offers_bound)).begin(&mut self.rng).expect("has a key");
        let record = self.serve_set_up(&request).record;
        let id = SessionId::from_raw([9; 24]);
        let responder = crate::server::Responder::<Aes256GcmKey>::new(&record, id, Iv([1; 12]), name());
        let mut answer = vec![0; 40];
        responder.seal_into(&mut self.rng, b"anything", &mut answer).expect("fits");
        answer
    }
}
