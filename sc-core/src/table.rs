//! An open-addressed hash set over the caller's slots, for [`crate::replay`].
//!
//! The place of an entry comes from SipHash-1-3 under random keys, so a peer cannot choose entries that collide.

use rand_core::CryptoRng;
use siphasher::sip::SipHasher13;

/// One place for an entry of `N` bytes: an array of them on a device, a vector on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot<const N: usize>(Option<[u8; N]>);

impl<const N: usize> Slot<N> {
    /// A place without an entry.
    pub const EMPTY: Self = Self(None);
}

impl<const N: usize> Default for Slot<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// What a look for an entry found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<const N: usize> {
    /// An entry with the same key.
    Taken([u8; N]),
    /// A free slot, at this index.
    Free(usize),
    /// Neither: every slot holds another entry.
    None,
}

/// Entries of `N` bytes whose first `K` bytes are the key.
#[derive(Debug)]
pub(crate) struct Table<S, const N: usize, const K: usize> {
    slots: S,
    used: usize,
    seed: [u64; 2],
}

impl<S: AsRef<[Slot<N>]> + AsMut<[Slot<N>]>, const N: usize, const K: usize> Table<S, N, K> {
    pub(crate) fn new<R: CryptoRng + ?Sized>(slots: S, rng: &mut R) -> Self {
        Self::empty(slots, [rng.next_u64(), rng.next_u64()])
    }

    fn empty(mut slots: S, seed: [u64; 2]) -> Self {
        slots.as_mut().fill(Slot::EMPTY);
        Self { slots, used: 0, seed }
    }

    /// Looks for an entry with the key of `entry`.
    pub(crate) fn find(&self, entry: &[u8; N]) -> Place<N> {
        let key = entry.first_chunk::<K>();
        let slots = self.slots.as_ref();
        let start = self.start(key.map_or(&[], <[u8; K]>::as_slice), slots.len());
        let (before, after) = slots.split_at_checked(start).unwrap_or((&[], slots));
        for (index, slot) in (start..).zip(after).chain((0..).zip(before)) {
            match slot.0 {
                Some(held) if held.first_chunk::<K>() == key => return Place::Taken(held),
                Some(_) => {}
                None => return Place::Free(index),
            }
        }
        Place::None
    }

    /// Puts an entry into the free slot that [`Table::find`] gave.
    pub(crate) fn put(&mut self, index: usize, entry: &[u8; N]) {
        if let Some(slot) = self.slots.as_mut().get_mut(index) {
            *slot = Slot(Some(*entry));
            self.used = self.used.saturating_add(1);
        }
    }

    fn start(&self, key: &[u8], slots: usize) -> usize {
        let [seed_0, seed_1] = self.seed;
        let hash = SipHasher13::new_with_keys(seed_0, seed_1).hash(key);
        let slots = u64::try_from(slots).unwrap_or(u64::MAX).max(1);
        usize::try_from(hash % slots).unwrap_or_default()
    }

    /// Entries held.
    pub(crate) const fn len(&self) -> usize {
        self.used
    }

    /// Slots without an entry.
    pub(crate) fn room(&self) -> usize {
        self.slots.as_ref().len().saturating_sub(self.used)
    }

    /// Whether three quarters of the slots are taken, so that more slots would be faster.
    pub(crate) fn is_crowded(&self) -> bool {
        self.room() <= self.slots.as_ref().len() / 4
    }

    /// Moves every entry into other slots; gives the table back if they are too few.
    pub(crate) fn move_to<T: AsRef<[Slot<N>]> + AsMut<[Slot<N>]>>(
        self,
        slots: T,
    ) -> Result<Table<T, N, K>, Self> {
        if slots.as_ref().len() < self.used {
            return Err(self);
        }
        let mut moved = Table::empty(slots, self.seed);
        for entry in self.slots.as_ref().iter().filter_map(|slot| slot.0) {
            if let Place::Free(index) = moved.find(&entry) {
                moved.put(index, &entry);
            }
        }
        Ok(moved)
    }
}
