//! Places for the sessions of one shard: they stand still, are wiped where they stand, and are used again.
//!
//! A vector that grows by moving would leave copies of keys behind, and be half empty just after. Places come in blocks
//! instead, which are never moved; an index of four bytes names one.

/// Places of one block.
const BLOCK: usize = 64;
/// Most places: an index must leave 42 of 64 bits to a deadline.
const MAX_PLACES: u32 = 1 << 22;

/// Values in numbered places.
#[derive(Debug)]
pub(super) struct Slots<T> {
    blocks: Vec<Box<[Option<T>]>>,
    free: Vec<u32>,
    /// Places that were ever used; those behind them are free too.
    used: u32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), free: Vec::new(), used: 0 }
    }
}

impl<T> Slots<T> {
    /// A free place, to be filled where it stands; `None` if there are as many as an index can name.
    pub(super) fn vacant(&mut self) -> Option<(u32, &mut Option<T>)> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.used < MAX_PLACES => {
                let index = self.used;
                self.used = index.saturating_add(1);
                index
            }
            None => return None,
        };
        let (block, at) = split(index);
        if block == self.blocks.len() {
            self.blocks.push((0..BLOCK).map(|_| None).collect());
        }
        self.blocks.get_mut(block)?.get_mut(at).map(|place| (index, place))
    }

    pub(super) fn find(&self, index: u32) -> Option<&T> {
        let (block, at) = split(index);
        self.blocks.get(block)?.get(at)?.as_ref()
    }

    pub(super) fn find_mut(&mut self, index: u32) -> Option<&mut T> {
        let (block, at) = split(index);
        self.blocks.get_mut(block)?.get_mut(at)?.as_mut()
    }

    /// Drops a value where it stands; its place may be used again.
    pub(super) fn remove(&mut self, index: u32) {
        let (block, at) = split(index);
        let place = self.blocks.get_mut(block).and_then(|block| block.get_mut(at));
        if let Some(place) = place.filter(|place| place.is_some()) {
            *place = None;
            self.free.push(index);
        }
    }

    /// Every value with its place.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.blocks.iter().flatten()).filter_map(|(index, place)| Some((index, place.as_ref()?)))
    }
}

/// The block of an index, and the place in it.
fn split(index: u32) -> (usize, usize) {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    (index / BLOCK, index % BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(slots: &mut Slots<String>, value: &str) -> u32 {
        let (index, place) = slots.vacant().unwrap();
        *place = Some(value.to_owned());
        index
    }

    #[test]
    fn a_value_stands_still_until_it_is_removed_and_its_place_is_used_again() {
        let mut slots = Slots::default();
        let indices: Vec<_> = (0..200).map(|n| put(&mut slots, &n.to_string())).collect();
        let address = std::ptr::from_ref(slots.find(indices[7]).unwrap());
        assert_eq!(slots.find(indices[7]).unwrap(), "7");
        for _ in 0..1_000 {
            put(&mut slots, "more");
        }
        assert_eq!(address, std::ptr::from_ref(slots.find(indices[7]).unwrap()));
        slots.remove(indices[7]);
        slots.remove(indices[7]);
        assert_eq!(slots.find(indices[7]), None);
        assert_eq!(put(&mut slots, "again"), indices[7]);
        assert_ne!(put(&mut slots, "another"), indices[7], "a place that was freed twice is free once");
        assert_eq!(slots.iter().count(), 1_201);
    }

    #[test]
    fn a_value_is_dropped_where_it_stands_when_it_is_removed() {
        let held = std::rc::Rc::new(());
        let mut slots = Slots::default();
        let (index, place) = slots.vacant().unwrap();
        *place = Some(std::rc::Rc::clone(&held));
        slots.remove(index);
        assert_eq!(std::rc::Rc::strong_count(&held), 1, "so that a record in it is wiped now");
    }

    #[test]
    fn there_are_no_more_places_than_an_index_can_name() {
        let blocks = (0..).map(|_| Box::from([None; BLOCK])).take(split(MAX_PLACES).0).collect();
        let mut slots = Slots::<()> { blocks, free: Vec::new(), used: MAX_PLACES - 1 };
        assert_eq!(slots.vacant().map(|(index, _)| index), Some(MAX_PLACES - 1));
        assert!(slots.vacant().is_none());
    }
}
