//! What becomes of a handler's answer: its errors in the request's language, which the handler's [`Reject`] does not
//! know; and nothing in the clear that is for the channel.
//!
//! The answer carries its [`Reject`] along as an extension. The layer or router around the handler writes the body
//! again in the language of the request, and leaves everything else of the answer as the handler made it.

use std::future::{Future, ready};

use bytes::Bytes;
use futures_util::future::Either;
use http::Response;
use http::header::{CONTENT_LANGUAGE, CONTENT_LENGTH, HeaderValue};
use http_body::Body;
use http_body_util::BodyExt;
use sc_core::code::Code;
use sc_core::id::UnixMillis;

use crate::language::Language;
use crate::server::Reject;

/// An error answer that was written in English, and all that it takes to write it again.
#[derive(Debug, Clone)]
struct Written {
    reject: Reject,
    at: UnixMillis,
    body: Bytes,
}

/// Writes an answer in English, to be written again by [`localize`].
#[cfg(feature = "axum")]
pub(crate) fn first<B: From<Bytes>>(reject: Reject, at: UnixMillis) -> Response<B> {
    let mut response = reject.to_response(at, Language::En);
    if reject.is_translated() {
        let body = reject.to_body(at, Language::En);
        response.extensions_mut().insert(Written { reject, at, body });
    }
    response
}

/// Marks an answer that must not leave in the clear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnlySealed;

/// Finishes an answer that leaves in the clear: as [`localize`], and nothing that is for the channel only gets out.
pub(crate) async fn finish_plain<B: Body + From<Bytes>>(
    mut response: Response<B>,
    language: Language,
    now: impl FnOnce() -> UnixMillis,
) -> Response<B> {
    if response.extensions_mut().remove::<OnlySealed>().is_some() {
        tracing::error!(
            "an answer for the channel would have left in the clear: is its route registered as sealed?"
        );
        return Reject::new(Code::InternalError).to_response(now(), language);
    }
    localize(response, language).await
}

/// Puts an error answer of a handler into a language. Any other answer, and one whose body has been changed since, stays
/// as it is.
pub(crate) fn localize<B: Body + From<Bytes>>(
    mut response: Response<B>,
    language: Language,
) -> impl Future<Output = Response<B>> {
    let Some(written) = response.extensions_mut().remove::<Written>() else {
        return Either::Left(ready(response));
    };
    // By its length first: a long or endless body is not waited for.
    let same_length = response.body().size_hint().exact() == u64::try_from(written.body.len()).ok();
    if language == Language::En || !same_length {
        return Either::Left(ready(response));
    }
    // Boxed, since it is rare: every answer would carry room for it.
    Either::Right(Box::pin(rewrite(response, written, language)))
}

async fn rewrite<B: Body + From<Bytes>>(
    response: Response<B>,
    written: Written,
    language: Language,
) -> Response<B> {
    let (mut head, body) = response.into_parts();
    let bytes = match body.collect().await {
        Ok(body) => body.to_bytes(),
        // Of the length that was written, and broken: there is nothing of it to keep.
        Err(_) => written.body.clone(),
    };
    if bytes != written.body {
        return Response::from_parts(head, B::from(bytes));
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    Response::from_parts(head, B::from(written.reject.to_body(written.at, language)))
}

#[cfg(all(test, feature = "axum"))]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::Full;

    use super::*;

    type Answer = Response<Full<Bytes>>;

    fn written() -> Answer {
        let mut response: Answer = first(Reject::rate_limited(17), UnixMillis(7));
        response.headers_mut().insert("x-of-the-handler", HeaderValue::from_static("kept"));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("1"));
        response
    }

    async fn body(response: Answer) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn only_the_words_change() {
        let english = body(written()).await;
        assert_eq!(body(localize(written(), Language::En).await).await, english);
        let response = localize(written(), Language::Ja).await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "17");
        assert_eq!(response.headers()["x-of-the-handler"], "kept");
        assert_eq!(response.headers()[CONTENT_LANGUAGE], "ja");
        assert!(!response.headers().contains_key(CONTENT_LENGTH), "it was that of other words");
        let json: serde_json::Value = serde_json::from_slice(&body(response).await).unwrap();
        assert_eq!(json["message"], Language::Ja.message(Code::RateLimited));
        assert_eq!(json["timestamp"], 7);
    }

    #[tokio::test]
    async fn a_body_that_was_changed_on_the_way_is_left_alone() {
        let english = body(written()).await;
        let same_length = Bytes::from(vec![b'x'; english.len()]);
        for changed in [Bytes::from_static(b"changed"), Bytes::new(), same_length] {
            let response = written().map(|_| Full::new(changed.clone()));
            assert_eq!(body(localize(response, Language::Vi).await).await, changed);
        }
    }

    #[tokio::test]
    async fn words_of_a_service_are_left_alone() {
        let own = || first(Reject::with_message(Code::NotFound, "No such order"), UnixMillis(0));
        let response: Answer = localize(own(), Language::Zh).await;
        assert!(!response.headers().contains_key(CONTENT_LANGUAGE));
        assert!(body(response).await.windows(13).any(|part| part == b"No such order"));
    }

    /// A body that never ends, and says nothing of its length.
    struct Endless;

    impl From<Bytes> for Endless {
        fn from(_: Bytes) -> Self {
            Self
        }
    }

    impl Body for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[test]
    fn an_endless_body_is_not_waited_for() {
        let answer = localize(written().map(|_| Endless), Language::Ja);
        assert!(answer.now_or_never().is_some_and(|answer| answer.status() == 429));
    }
}
