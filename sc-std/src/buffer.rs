//! Bodies in memory that is wiped on drop, whole words at a time.
//!
//! `Zeroizing<Vec<u8>>` writes every byte on its own, and does so twice. The writes here are those of `zeroize` too, so no
//! compiler drops them.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use zeroize::Zeroize;

/// A buffer that grows by moving, and wipes what it leaves.
#[derive(Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// A buffer of so many zeroes.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self(vec![0; len])
    }

    /// Appends bytes; a new allocation is at least twice as large as the one before, but not beyond `max` without need.
    pub(crate) fn append(&mut self, bytes: &[u8], max: usize) {
        self.reserve(bytes.len(), max);
        self.0.extend_from_slice(bytes);
    }

    /// Appends so many zeroes.
    pub(crate) fn append_zeroes(&mut self, count: usize) {
        self.reserve(count, usize::MAX);
        let len = self.0.len().saturating_add(count);
        self.0.resize(len, 0);
    }

    /// Makes room.
    pub(crate) fn reserve(&mut self, more: usize, max: usize) {
        let needed = self.0.len().saturating_add(more);
        if needed > self.0.capacity() {
            let room = self.0.capacity().saturating_mul(2).min(max).max(needed);
            let mut larger = Self::with_capacity(room);
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
    }

    /// Shortens the buffer; what is cut off is wiped with the rest.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// The content as bytes, without a copy; wiped when the last clone is dropped.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// The content, which is not secret any more: nothing is wiped.
    pub(crate) fn into_public(mut self) -> Bytes {
        std::mem::take(&mut self.0).into()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // All of the allocation: a buffer may have been longer before.
        self.0.resize(self.0.capacity(), 0);
        wipe(&mut self.0);
    }
}

/// Wipes bytes: the whole words among them as words.
fn wipe(bytes: &mut [u8]) {
    let (head, words, tail) = bytemuck::pod_align_to_mut::<u8, u64>(bytes);
    head.zeroize();
    words.zeroize();
    tail.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_any_slice_is_wiped_and_no_other() {
        let mut memory = [0xff_u8; 64];
        for start in 0..20 {
            for end in start..64 {
                memory.fill(0xff);
                wipe(&mut memory[start..end]);
                let wiped = |at: usize| (start..end).contains(&at);
                assert!(
                    memory.iter().enumerate().all(|(at, byte)| (*byte == 0) == wiped(at)),
                    "{start}..{end}"
                );
            }
        }
    }

    #[test]
    fn a_buffer_that_is_just_full_has_not_moved() {
        let mut buffer = Buffer::with_capacity(8);
        let room = buffer.0.capacity();
        let before = buffer.as_ptr();
        buffer.append(&vec![7; room], room);
        assert_eq!((buffer.as_ptr(), buffer.len()), (before, room));
        buffer.append(&[8], usize::MAX);
        assert!(buffer.0.capacity() >= 2 * room && buffer.ends_with(&[7, 8]));
    }

    /// Long enough that the allocator's own notes, at the front of what was freed, spoil little of it.
    #[cfg(target_os = "linux")]
    const LEN: usize = 4_096;

    /// The process's memory, as a core dump would have it, whoever owns it now; and a place to read it into, allocated
    /// before, or it would be the one that was just freed.
    #[cfg(target_os = "linux")]
    struct Memory(std::fs::File, Vec<u8>);

    #[cfg(target_os = "linux")]
    impl Memory {
        fn new() -> Self {
            Self(std::fs::File::open("/proc/self/mem").unwrap(), vec![0; LEN])
        }

        /// How much of a place on the heap still holds the secret.
        fn left(&mut self, address: usize) -> usize {
            use std::os::unix::fs::FileExt;
            let Self(file, bytes) = self;
            file.read_exact_at(bytes, u64::try_from(address).unwrap()).unwrap();
            bytes.iter().filter(|byte| **byte == 0xa5).count()
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_is_left_of_a_buffer_that_is_dropped_was_longer_or_grew() {
        let (secret, mut memory) = ([0xa5; LEN], Memory::new());
        let mut left = |address| memory.left(address);
        let filled = || {
            let mut buffer = Buffer::with_capacity(LEN);
            buffer.append(&secret, LEN);
            let address = buffer.0.as_ptr().expose_provenance();
            (buffer, address)
        };
        let mut seen = false;
        // Often, since another thread may use what was freed before it is looked at.
        for _ in 0..200 {
            let (buffer, address) = filled();
            assert_eq!(left(address), LEN, "it was there");
            drop(buffer);
            assert_eq!(left(address), 0, "dropped");
            let (mut buffer, address) = filled();
            buffer.truncate(1);
            drop(buffer);
            assert_eq!(left(address), 0, "was longer");
            let (mut buffer, address) = filled();
            buffer.append(b"more", LEN * 2);
            assert_ne!(buffer.0.as_ptr().expose_provenance(), address, "it moved");
            assert_eq!(left(address), 0, "grew");
            let (buffer, address) = filled();
            drop(buffer.into_bytes().slice(1..2));
            assert_eq!(left(address), 0, "as bytes");
            let (buffer, address) = filled();
            drop(buffer.into_public());
            seen |= left(address) > LEN / 2;
        }
        assert!(seen, "or this test would show nothing");
    }

    #[test]
    fn it_grows_by_doubling_and_not_beyond_the_most_without_need() {
        let mut buffer = Buffer::with_capacity(4);
        buffer.append(b"1234", 100);
        buffer.append(b"5", 100);
        assert_eq!((&*buffer, buffer.0.capacity()), (b"12345".as_slice(), 8));
        buffer.append(b"6789", 10);
        assert_eq!((buffer.len(), buffer.0.capacity()), (9, 10));
        buffer.append_zeroes(2);
        assert_eq!((&*buffer, buffer.0.capacity()), (b"123456789\0\0".as_slice(), 20));
        buffer.truncate(1);
        assert_eq!(&*buffer.into_bytes(), b"1");
    }
}
