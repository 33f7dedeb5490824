//! Envelopes and wrapped keys in places where they do not belong: other sessions, directions, messages, requests,
//! profiles and types; and the attacks on wrapped keys of PROTOCOL 4.3.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod common;

use common::pair::{PROFILES, Pair, answer_with};
use common::{forgot, phone, rng};
use sc_core::client::ProfileChoice;
use sc_core::code::Code;
use sc_core::document::SessionRequest;
use sc_core::envelope::{Envelope, ParseOptions, Profile};
use sc_core::error::Error;
use sc_core::id::MessageName;
use sc_core::provider::KeyWrap;
use sc_core::rustcrypto::RsaPublicKey;
use sc_core::server::{Refusal, SetupWay};

const QUESTION: &[u8] = br#"{"email":"user@example.com"}"#;

fn other_name() -> MessageName<'static> {
    MessageName::new("password.change").unwrap()
}

fn is_wiped(body: &[u8]) -> bool {
    body[4..].iter().all(|byte| *byte == 0)
}

/// The wrapped keys of a type 1 envelope.
fn wrapped_of(body: &[u8]) -> [Vec<u8>; 2] {
    let Ok(Envelope::KeyExchange(exchange, _)) = Envelope::parse(body, &ParseOptions::default()) else {
        panic!("not type 1")
    };
    [exchange.encrypted_request_key().to_vec(), exchange.encrypted_response_key().to_vec()]
}

/// An attacker's own key, wrapped for the server: he knows the public key like anybody.
fn attackers_key(pair: &mut Pair) -> Vec<u8> {
    let mut wrapped = vec![0; 256];
    let public = RsaPublicKey::from_spki(&pair.key.spki).unwrap();
    public.wrap(&mut pair.rng, &[0xa7; 32], &mut wrapped).unwrap();
    wrapped
}

#[test]
fn a_request_opens_in_its_own_session_only() {
    for profile in PROFILES {
        let mut pair = Pair::new(1, profile);
        let (one, two) = (pair.set_up(), pair.set_up_inline(b"q", b"a"));
        let (body, _) = pair.ask(&one, forgot(), QUESTION);
        let mut spliced = body.clone();
        let refused = pair.serve(two.id(), forgot(), &mut spliced).map(drop);
        assert!(refused == Err(Refusal::NotOpened) && is_wiped(&spliced));
        assert_eq!(pair.serve(one.id(), forgot(), &mut body.clone()).unwrap().0, QUESTION);
    }
}

#[test]
fn an_answer_opens_in_its_own_session_only() {
    for profile in PROFILES {
        let mut pair = Pair::new(2, profile);
        let (one, two) = (pair.set_up(), pair.set_up());
        let (mut body, _) = pair.ask(&one, forgot(), QUESTION);
        let (_, pending) = pair.ask(&two, forgot(), QUESTION);
        let (_, responder) = pair.serve(one.id(), forgot(), &mut body).unwrap();
        let mut answer = answer_with(&mut pair.rng, responder, b"done");
        assert!(pending.open(&mut answer) == Err(Error::Rejected) && is_wiped(&answer));
    }
}

#[test]
fn a_request_that_is_reflected_is_no_answer() {
    for profile in PROFILES {
        let mut pair = Pair::new(3, profile);
        let session = pair.set_up();
        for kind in [2, 129] {
            let (mut body, pending) = pair.ask(&session, forgot(), QUESTION);
            body[3] = kind;
            assert_eq!(pending.open(&mut body), Err(Error::Rejected), "type {kind}");
            assert!(is_wiped(&body), "type {kind}: the sealed part is wiped");
        }
    }
}

#[test]
fn a_type_1_that_comes_back_is_no_answer() {
    for profile in PROFILES {
        let mut pair = Pair::new(4, profile);
        let session = pair.set_up();
        let (_, pending) = pair.ask(&session, forgot(), QUESTION);
        let mut body = pair.first_envelope(QUESTION);
        assert_eq!(pending.open(&mut body), Err(Error::Rejected));
        assert!(body[553..].iter().all(|byte| *byte == 0), "the sealed part is wiped");
    }
}

#[test]
fn an_answer_that_is_reflected_is_no_request() {
    for profile in PROFILES {
        let mut pair = Pair::new(5, profile);
        let session = pair.set_up();
        let (mut body, _) = pair.ask(&session, forgot(), QUESTION);
        let (_, responder) = pair.serve(session.id(), forgot(), &mut body).unwrap();
        let answer = answer_with(&mut pair.rng, responder, b"done");
        let served = pair.serve(session.id(), forgot(), &mut answer.clone()).map(drop);
        assert_eq!(served, Err(Refusal::UnexpectedType));
        let mut turned = answer;
        turned[3] = 2;
        let served = pair.serve(session.id(), forgot(), &mut turned).map(drop);
        assert!(served == Err(Refusal::NotOpened) && is_wiped(&turned));
    }
}

#[test]
fn bound_keeps_a_request_at_its_endpoint_and_plain_does_not() {
    for profile in PROFILES {
        let mut pair = Pair::new(6, profile);
        let session = pair.set_up();
        let (mut body, _) = pair.ask(&session, forgot(), QUESTION);
        let moved = pair.serve(session.id(), other_name(), &mut body).map(drop);
        let mut first = pair.first_envelope(QUESTION);
        let moved_first = pair.serve_first(other_name(), &mut first).map(drop);
        if profile == ProfileChoice::Plain {
            // The documented limit of `plain`: the name is not authenticated.
            assert_eq!((moved, moved_first), (Ok(()), Ok(())));
        } else {
            assert_eq!(moved, Err(Refusal::NotOpened));
            assert_eq!(moved_first, Err(Refusal::Exchange(SetupWay::Inline)));
        }
    }
}

#[test]
fn bound_ties_an_answer_to_its_request_and_plain_does_not() {
    for profile in PROFILES {
        let mut pair = Pair::new(7, profile);
        let session = pair.set_up();
        let (mut one, pending_one) = pair.ask(&session, forgot(), b"one");
        let (mut two, pending_two) = pair.ask(&session, forgot(), b"two");
        let (_, responder) = pair.serve(session.id(), forgot(), &mut one).unwrap();
        let mut answer_one = answer_with(&mut pair.rng, responder, b"1");
        let (_, responder) = pair.serve(session.id(), forgot(), &mut two).unwrap();
        let mut answer_two = answer_with(&mut pair.rng, responder, b"2");
        if profile == ProfileChoice::Plain {
            // The documented limit of `plain`: two answers of one session can be swapped.
            assert_eq!(pending_one.open(&mut answer_two).unwrap(), b"2");
            assert_eq!(pending_two.open(&mut answer_one).unwrap(), b"1");
        } else {
            assert_eq!(pending_one.open(&mut answer_two), Err(Error::Rejected));
            assert_eq!(pending_two.open(&mut answer_one.clone()), Err(Error::Rejected));
        }
    }
}

#[test]
fn bound_ties_an_answer_to_the_message_that_was_asked() {
    let mut pair = Pair::new(8, ProfileChoice::RequireBound);
    let session = pair.set_up();
    let (mut body, pending) = pair.ask(&session, other_name(), QUESTION);
    let (_, responder) = pair.serve(session.id(), other_name(), &mut body).unwrap();
    assert_eq!(pending.open(&mut answer_with(&mut pair.rng, responder, b"done")).unwrap(), b"done");
}

#[test]
fn a_profile_that_was_changed_on_the_way_is_noticed() {
    // Taken away from the request: the server's answer says so by its silence.
    let mut pair = Pair::new(9, ProfileChoice::RequireBound);
    let (mut request, awaiting) = pair.client.begin(&mut pair.rng).unwrap();
    request.profile = None;
    let created = pair.serve_endpoint(&request).unwrap();
    assert_eq!(created.record.profile(), Profile::Plain);
    let refused = awaiting.accept(&created.answer(None), pair.now, pair.ticks);
    assert_eq!(refused.map(drop), Err(Error::Rejected));

    // Added to it.
    let mut pair = Pair::new(9, ProfileChoice::Plain);
    let (mut request, awaiting) = pair.client.begin(&mut pair.rng).unwrap();
    request.profile = Some(Profile::Bound);
    let created = pair.serve_endpoint(&request).unwrap();
    let refused = awaiting.accept(&created.answer(None), pair.now, pair.ticks);
    assert_eq!(refused.map(drop), Err(Error::Rejected));
}

#[test]
fn a_profile_that_was_changed_in_both_documents_opens_nothing() {
    for (choice, turned) in
        [(ProfileChoice::RequireBound, Profile::Plain), (ProfileChoice::Plain, Profile::Bound)]
    {
        let mut pair = Pair::new(10, choice);
        let (mut request, awaiting) = pair.client.begin(&mut pair.rng).unwrap();
        let asked = request.profile;
        request.profile = Some(turned);
        let created = pair.serve_endpoint(&request).unwrap();
        let mut answer = created.answer(None);
        answer.profile = asked;
        let session = awaiting.accept(&answer, pair.now, pair.ticks).unwrap();
        pair.create(created);
        let (mut body, _) = pair.ask(&session, forgot(), QUESTION);
        assert_eq!(pair.serve(session.id(), forgot(), &mut body).map(drop), Err(Refusal::NotOpened));
    }
}

#[test]
fn the_payload_of_a_first_request_is_not_taken_again_as_a_second() {
    for profile in PROFILES {
        let mut pair = Pair::new(11, profile);
        let first = pair.first_envelope(QUESTION);
        let (_, responder) = pair.serve_first(forgot(), &mut first.clone()).unwrap();
        let mut second = [b"SC\x02\x02", &first[553..]].concat();
        let refused = pair.serve(responder.session_id(), forgot(), &mut second).map(drop);
        let expected = if profile == ProfileChoice::Plain { Refusal::Replayed } else { Refusal::NotOpened };
        assert_eq!(refused, Err(expected));
        assert!(second[16..16 + QUESTION.len()].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn the_payload_of_a_later_request_is_not_taken_as_a_first() {
    for profile in PROFILES {
        let mut pair = Pair::new(12, profile);
        let (request, awaiting) = pair.client.begin(&mut pair.rng).unwrap();
        let created = pair.serve_endpoint(&request).unwrap();
        let session = awaiting.accept(&created.answer(None), pair.now, pair.ticks).unwrap();
        pair.create(created);
        let (body, _) = pair.ask(&session, forgot(), QUESTION);
        let mut head = pair.first_envelope(b"");
        head.truncate(553);
        head[39..295].copy_from_slice(request.enc_req_key.as_slice());
        head[297..553].copy_from_slice(request.enc_resp_key.as_slice());
        let mut first = [&head, &body[4..]].concat();
        let refused = pair.serve_first(forgot(), &mut first).map(drop).unwrap_err();
        let expected = if profile == ProfileChoice::Plain {
            Refusal::ExchangeRepeated(SetupWay::Inline)
        } else {
            Refusal::Exchange(SetupWay::Inline)
        };
        assert_eq!((refused, refused.code()), (expected, Code::InvalidPayload));
    }
}

#[test]
fn a_captured_request_key_does_not_make_a_session_with_an_attackers_response_key() {
    for profile in PROFILES {
        let mut pair = Pair::new(13, profile);
        let (request, _) = pair.client.begin(&mut pair.rng).unwrap();
        let mut captures =
            vec![[request.enc_req_key.as_slice().to_vec(), request.enc_resp_key.as_slice().to_vec()]];
        let _ = pair.serve_endpoint(&request).unwrap();
        let first = pair.first_envelope(QUESTION);
        captures.push(wrapped_of(&first));
        let _ = pair.serve_first(forgot(), &mut first.clone()).unwrap();

        for [victims_request, victims_response] in captures {
            for (one, two) in [
                (victims_request.clone(), attackers_key(&mut pair)),
                (attackers_key(&mut pair), victims_request.clone()),
                (attackers_key(&mut pair), victims_response.clone()),
                (victims_response.clone(), attackers_key(&mut pair)),
                (victims_response, victims_request),
            ] {
                for profile in [Profile::Plain, Profile::Bound] {
                    let spliced = SessionRequest::new(pair.key.id.clone(), &one, &two, profile);
                    let refused = pair.serve_endpoint(&spliced).map(drop).unwrap_err();
                    assert_eq!(refused, Refusal::ExchangeRepeated(SetupWay::Endpoint));
                    assert_eq!(refused.code(), Code::KeyExchangeFailed);
                }
            }
        }
    }
}

#[test]
fn a_captured_first_request_with_an_attackers_response_key_is_refused() {
    for profile in PROFILES {
        let mut pair = Pair::new(14, profile);
        let first = pair.first_envelope(QUESTION);
        let _ = pair.serve_first(forgot(), &mut first.clone()).unwrap();
        let mut spliced = first;
        spliced[297..553].copy_from_slice(&attackers_key(&mut pair));
        let refused = pair.serve_first(forgot(), &mut spliced).map(drop).unwrap_err();
        let expected = if profile == ProfileChoice::Plain {
            Refusal::ExchangeRepeated(SetupWay::Inline)
        } else {
            Refusal::Exchange(SetupWay::Inline)
        };
        assert_eq!((refused, refused.code()), (expected, Code::InvalidPayload));
        assert!(!spliced.windows(QUESTION.len()).any(|part| part == QUESTION), "the plaintext is wiped");
    }
}

#[test]
fn a_whole_set_up_is_taken_once() {
    for profile in PROFILES {
        let mut pair = Pair::new(15, profile);
        let (request, _) = pair.client.begin(&mut pair.rng).unwrap();
        let _ = pair.serve_endpoint(&request).unwrap();
        let again = pair.serve_endpoint(&request).map(drop);
        assert_eq!(again, Err(Refusal::ExchangeRepeated(SetupWay::Endpoint)));

        let first = pair.first_envelope(QUESTION);
        let _ = pair.serve_first(forgot(), &mut first.clone()).unwrap();
        let mut replayed = first;
        let again = pair.serve_first(forgot(), &mut replayed).map(drop);
        assert_eq!(again, Err(Refusal::ExchangeRepeated(SetupWay::Inline)));
        assert!(!replayed.windows(QUESTION.len()).any(|part| part == QUESTION), "the plaintext is wiped");
        assert_eq!((pair.store.len(), pair.ledger.len()), (1, 4), "nothing came of either replay");
    }
}

#[test]
fn a_request_is_taken_once() {
    for profile in PROFILES {
        let mut pair = Pair::new(16, profile);
        let session = pair.set_up();
        let (body, _) = pair.ask(&session, forgot(), QUESTION);
        let _ = pair.serve(session.id(), forgot(), &mut body.clone()).unwrap();
        let mut replayed = body;
        let again = pair.serve(session.id(), forgot(), &mut replayed).map(drop);
        assert_eq!(again, Err(Refusal::Replayed));
        assert!(replayed[16..16 + QUESTION.len()].iter().all(|byte| *byte == 0), "the plaintext is wiped");
        pair.talk(&session, QUESTION, b"the session lives on");
    }
}

/// The attacker is faster than the victim, who never reaches the server: only `bound` notices (PROTOCOL 9).
#[test]
fn a_live_splice_is_refused_by_bound_and_is_the_limit_of_plain() {
    for profile in PROFILES {
        let mut pair = Pair::new(17, profile);
        let (request, awaiting) = pair.client.begin(&mut pair.rng).unwrap();
        let theirs = attackers_key(&mut pair);
        let wanted = request.profile.unwrap_or_default();
        let spliced =
            SessionRequest::new(pair.key.id.clone(), request.enc_req_key.as_slice(), &theirs, wanted);
        let created = pair.serve_endpoint(&spliced).unwrap();
        let session = awaiting.accept(&created.answer(None), pair.now, pair.ticks).unwrap();
        pair.create(created);

        let (mut body, pending) = pair.ask(&session, forgot(), QUESTION);
        match pair.serve(session.id(), forgot(), &mut body) {
            Ok((_, responder)) => {
                assert_eq!(profile, ProfileChoice::Plain);
                let mut answer = answer_with(&mut pair.rng, responder, b"for the attacker");
                assert_eq!(pending.open(&mut answer), Err(Error::Rejected), "the victim at least notices");
            }
            Err(refused) => {
                assert_eq!((profile, refused), (ProfileChoice::RequireBound, Refusal::NotOpened));
                assert!(is_wiped(&body));
            }
        }
        // The victim's own request now fails, and a new attempt with new keys goes through.
        assert!(pair.serve_endpoint(&request).is_err());
        let session = pair.set_up();
        pair.talk(&session, QUESTION, b"done");
    }
}

#[test]
fn a_live_splice_of_a_first_request_is_refused_by_bound_before_anything_is_recorded() {
    let mut pair = Pair::new(18, ProfileChoice::RequireBound);
    let mut body = pair.first_envelope(QUESTION);
    body[297..553].copy_from_slice(&attackers_key(&mut pair));
    let refused = pair.serve_first(forgot(), &mut body).map(drop);
    assert_eq!(refused, Err(Refusal::Exchange(SetupWay::Inline)));
    assert!(pair.ledger.is_empty() && pair.store.is_empty());
}

#[test]
fn a_swapped_key_id_in_a_set_up_opens_nothing_in_bound() {
    // Two names for one RSA key: ctx holds the name, so the two ends disagree.
    let mut pair = Pair::new(19, ProfileChoice::RequireBound);
    let mut body = pair.first_envelope(QUESTION);
    body[5] = b'!';
    let head = sc_core::server::RequestHead::default();
    let sc_core::server::Received::Setup(setup) = pair.server.receive(&head, &mut body).unwrap() else {
        panic!("not type 1")
    };
    let keys = sc_core::exchange::unwrap_keys(&pair.key.private, &mut rng(1), setup.wrapped(2048).unwrap());
    let refused = setup.open::<sc_core::rustcrypto::Aes256GcmKey>(keys, phone(), forgot()).map(drop);
    assert_eq!(refused, Err(Refusal::Exchange(SetupWay::Inline)));
}
