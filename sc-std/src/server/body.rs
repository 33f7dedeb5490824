//! Bodies read once: capped before they are buffered, in memory that is wiped.

use std::time::Duration;

use bytes::Buf;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::Body;
use http_body_util::BodyExt;
use sc_core::code::Code;
use sc_core::limits::{HEAD_ROOM, TAIL_ROOM};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::buffer::Buffer;
use crate::server::reject::Reject;

/// Bodies up to this many bytes are held without asking, and this much is reserved on the word of a length alone.
const SMALL_BODY: usize = 64 * 1024;

/// Reads a whole request body of at most `max` bytes.
///
/// A body of more than 64 KiB needs a place among the large ones, which it keeps until the place is dropped: strangers
/// cannot fill the memory with bodies that open nothing.
///
/// # Errors
/// TOO_LARGE by the announced or the real length; INVALID_PAYLOAD if the body breaks off or takes longer than
/// `timeout`; BUSY if too many large bodies are held.
pub(crate) async fn read<'s, B: Body>(
    headers: &HeaderMap,
    body: B,
    max: usize,
    timeout: Duration,
    large_bodies: &'s Semaphore,
) -> Result<(Buffer, Option<SemaphorePermit<'s>>), Reject> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let announced = announced.map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced > max {
        return Err(Reject::new(Code::TooLarge));
    }
    let mut out = Buffer::with_capacity(announced.min(SMALL_BODY));
    let mut large = None;
    let append = append(&mut out, body, max, |length| {
        if length > SMALL_BODY && large.is_none() {
            large = Some(large_bodies.try_acquire().map_err(|_| Reject::busy(1))?);
        }
        Ok(())
    });
    tokio::time::timeout(timeout, append).await.map_err(|_| Reject::new(Code::InvalidPayload))??;
    Ok((out, large))
}

/// Reads a whole answer of at most `max` bytes into a frame with room for an envelope around it.
///
/// # Errors
/// INTERNAL_ERROR if the answer is longer or breaks off: that is the handler's doing.
pub(crate) async fn read_frame<B: Body>(body: B, max: usize) -> Result<Buffer, Reject> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(SMALL_BODY);
    let mut frame = Buffer::with_capacity(HEAD_ROOM + expected + TAIL_ROOM);
    frame.append_zeroes(HEAD_ROOM);
    let max = max.saturating_add(HEAD_ROOM);
    append(&mut frame, body, max, |_| Ok(())).await.map_err(|_| Reject::new(Code::InternalError))?;
    frame.append_zeroes(TAIL_ROOM);
    Ok(frame)
}

/// A frame around bytes of our own.
pub(crate) fn frame(bytes: &[u8]) -> Buffer {
    let len = HEAD_ROOM + bytes.len() + TAIL_ROOM;
    let mut frame = Buffer::with_capacity(len);
    frame.append_zeroes(HEAD_ROOM);
    frame.append(bytes, len);
    frame.append_zeroes(TAIL_ROOM);
    frame
}

/// Appends a body; `admit` hears the length there will be before it is buffered.
async fn append<B: Body>(
    out: &mut Buffer,
    body: B,
    max: usize,
    mut admit: impl FnMut(usize) -> Result<(), Reject>,
) -> Result<(), Reject> {
    let mut body = std::pin::pin!(body);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Reject::new(Code::InvalidPayload))?;
        let Ok(mut data) = frame.into_data() else { continue };
        if data.remaining() > max.saturating_sub(out.len()) {
            return Err(Reject::new(Code::TooLarge));
        }
        admit(out.len().saturating_add(data.remaining()))?;
        out.reserve(data.remaining(), max);
        while data.has_remaining() {
            let chunk = data.chunk();
            let len = chunk.len();
            out.append(chunk, max);
            data.advance(len);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::HeaderValue;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// Reads a body that comes in pieces of these lengths.
    async fn taken<'s>(
        announced: Option<usize>,
        pieces: &[usize],
        max: usize,
        places: &'s Semaphore,
    ) -> Result<(usize, Option<SemaphorePermit<'s>>), Code> {
        let headers = announced.map(|length| (CONTENT_LENGTH, HeaderValue::from(length)));
        let pieces: Vec<_> = pieces.iter().map(|length| Bytes::from(vec![7; *length])).collect();
        let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let read = read(&headers.into_iter().collect(), body, max, Duration::from_secs(600), places).await;
        read.map(|(body, place)| (body.len(), place)).map_err(|reject| reject.code())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_cap_and_refused_beyond_by_its_word_or_by_its_length() {
        let places = Semaphore::new(0);
        for (announced, pieces, expected) in [
            (None, &[6, 4][..], Ok(10)),
            (None, &[6, 5], Err(Code::TooLarge)),
            (Some(10), &[10], Ok(10)),
            (Some(11), &[10], Err(Code::TooLarge)),
            (Some(12), &[], Err(Code::TooLarge)),
            (Some(10), &[11], Err(Code::TooLarge)),
        ] {
            let read = taken(announced, pieces, 10, &places).await.map(|(length, _)| length);
            assert_eq!(read, expected, "{announced:?} {pieces:?}");
        }
    }

    #[tokio::test]
    async fn only_a_large_body_needs_a_place_and_one_place_is_enough() {
        let max = 10 * SMALL_BODY;
        let none = Semaphore::new(0);
        assert!(taken(None, &[SMALL_BODY], max, &none).await.is_ok_and(|(_, place)| place.is_none()));
        assert!(taken(None, &[10, 10], max, &none).await.is_ok_and(|(_, place)| place.is_none()));
        assert_eq!(taken(None, &[SMALL_BODY, 1], max, &none).await.err(), Some(Code::Busy));

        let one = Semaphore::new(1);
        let (length, place) = taken(None, &[SMALL_BODY, SMALL_BODY, 1], max, &one).await.unwrap();
        assert_eq!((length, one.available_permits()), (2 * SMALL_BODY + 1, 0));
        assert_eq!(taken(None, &[SMALL_BODY + 1], max, &one).await.err(), Some(Code::Busy));
        drop(place);
        assert!(taken(None, &[SMALL_BODY + 1], max, &one).await.is_ok());
    }
}
