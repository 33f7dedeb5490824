//! The forgot-password endpoint for axum: strict request, two limits, then the same answer for everybody (PROTOCOL 6).
//!
//! Looking the address up and sending the mail happen after the answer, behind the [`ResetQueue`], so a known and
//! an unknown address take the same path and the same time.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LANGUAGE;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, post};
use sc_core::document::Answer;

use crate::clock::{Clock, SystemClock};
use crate::language::Language;
use crate::message::{EmailHashKey, ForgotPassword, ForgotPasswordAnswer};
use crate::rate_limit::{Limit, LimitKey, RateLimiter, SlidingWindow, check_and_claim};
use crate::reset::{ResetJob, ResetQueue};
use crate::server::{Channel, Reject};

/// The endpoint: its limits, and the queue behind it. `L` keeps the limits, for a fleet those of its store.
///
/// # Examples
/// A whole service is `examples/forgot_password.rs`.
pub struct ForgotPasswordEndpoint<L = SlidingWindow> {
    by_address: L,
    by_email: L,
    email_key: EmailHashKey,
    queue: ResetQueue,
    clock: Arc<dyn Clock>,
}

impl ForgotPasswordEndpoint {
    /// The default of both limits: 3 requests in any 300 seconds.
    pub const DEFAULT_LIMIT: Limit = Limit::new(3, 300_000);
}

impl<L: RateLimiter> ForgotPasswordEndpoint<L> {
    /// An endpoint with its own limits for a client address and for an e-mail address, which is kept only as a hash
    /// under `email_key`. Take the limiters from [`Store::limiter`](crate::store::Store::limiter), so that all servers
    /// of the store count together.
    #[must_use]
    pub fn new(by_address: L, by_email: L, email_key: EmailHashKey, queue: ResetQueue) -> Self {
        Self { by_address, by_email, email_key, queue, clock: Arc::new(SystemClock::new()) }
    }

    /// Sets the clock, for tests. Default: the system's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The endpoint as a route of [`ScRouter::sealed`](crate::server::ScRouter::sealed).
    pub fn into_route(self) -> MethodRouter {
        let endpoint = Arc::new(self);
        post(move |Extension(channel): Extension<Channel>, headers: HeaderMap, body: Bytes| {
            let endpoint = Arc::clone(&endpoint);
            let language = Language::of_headers(&headers);
            async move {
                let answer = endpoint.answer(&channel, language, &body).await;
                answer.map(|answer| ([(CONTENT_LANGUAGE, language.tag())], Json(answer)).into_response())
            }
        })
    }

    /// Validation, room in the queue, limits; then the job is queued and everybody hears the same.
    async fn answer(
        &self,
        channel: &Channel,
        language: Language,
        body: &[u8],
    ) -> Result<Answer<'static, ForgotPasswordAnswer>, Reject> {
        let request = ForgotPassword::parse(body).map_err(|error| Reject::invalid(error.property()))?;
        // Before the limits: a request that finds no room spends nothing.
        let place = self.queue.try_reserve().map_err(|_| Reject::busy(5))?;
        let now = self.clock.now();
        let address = LimitKey::of_address(channel.client_address);
        let email = LimitKey::of_hash(*self.email_key.hash(&request.email).as_bytes());
        check_and_claim((&self.by_address, &address), (&self.by_email, &email), now).await?;
        place.send(ResetJob { email: request.email, language });
        Ok(Answer::success(now.0, ForgotPasswordAnswer::new(language)))
    }
}

impl<L> std::fmt::Debug for ForgotPasswordEndpoint<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForgotPasswordEndpoint").finish_non_exhaustive()
    }
}
