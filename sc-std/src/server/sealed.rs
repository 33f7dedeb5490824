//! What a handler behind the channel takes and returns, for axum: [`Sealed`] and [`Channel`].

use std::convert::Infallible;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use sc_core::code::Code;
use sc_core::document::Answer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::{Clock, SystemClock};
use crate::language::Language;
use crate::message::strict;
use crate::server::localize::OnlySealed;
use crate::server::{Channel, Reject};

/// A JSON body that came through the channel, or an answer that leaves through it.
///
/// As an argument of a handler it is the request, a JSON object read by [`strict::json`]. As its result it is a success in the form of
/// PROTOCOL 5, with `data`.
///
/// # Errors
/// As an argument: INVALID_PAYLOAD for a request that did not come through the channel, VALIDATION_FAILED for a body that
/// is no `T`, TOO_LARGE for one over a limit of the service's own.
///
/// # Security
/// A handler with such an argument cannot be reached by plaintext, even if its route is registered as plain by mistake:
/// only the channel's layer makes a [`Channel`], and without one nothing is read. A result that would leave in the clear
/// becomes INTERNAL_ERROR in [`ScRouter`](crate::server::ScRouter) and wherever the layer passes a request on unopened.
/// Debug does not show the content.
///
/// # Examples
/// ```
/// use sc_std::server::{Channel, Reject, Sealed};
///
/// #[derive(serde::Deserialize)]
/// struct ChangeNickname { nickname: String }
///
/// #[derive(serde::Serialize)]
/// struct Changed { success: bool }
///
/// async fn change(channel: Channel, Sealed(request): Sealed<ChangeNickname>) -> Result<Sealed<Changed>, Reject> {
///     if request.nickname.is_empty() {
///         return Err(Reject::invalid("nickname"));
///     }
///     println!("{:?}", channel.session);
///     Ok(Sealed(Changed { success: true }))
/// }
/// # axum::Router::<()>::new().route("/", axum::routing::post(change));
/// ```
pub struct Sealed<T>(pub T);

impl<T> std::fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(..)")
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sealed<T> {
    type Rejection = Reject;

    async fn from_request(request: Request, state: &S) -> Result<Self, Reject> {
        // First: nothing of a plain body is looked at.
        channel(request.extensions())?;
        // The layer has read the whole body; what can fail is a limit of the service's own.
        let body = Bytes::from_request(request, state).await.map_err(|_| Reject::new(Code::TooLarge))?;
        strict::json(&body).map(Self).map_err(|error| Reject::invalid(error.property()))
    }
}

impl<T: Serialize> IntoResponse for Sealed<T> {
    fn into_response(self) -> Response {
        let answer = Answer::success(SystemClock::new().now().0, self.0);
        let mut response = Json(answer).into_response();
        response.extensions_mut().insert(OnlySealed);
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Channel {
    type Rejection = Reject;

    /// INVALID_PAYLOAD for a request that did not come through the channel.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Reject> {
        channel(&parts.extensions).cloned()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    /// The language that the request asks for.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of_headers(&parts.headers))
    }
}

/// What the layer has left about the channel that a request came through.
fn channel(extensions: &http::Extensions) -> Result<&Channel, Reject> {
    extensions.get().ok_or_else(|| Reject::new(Code::InvalidPayload))
}
