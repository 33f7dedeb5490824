//! The names of RSA keys, each kept once for all sessions of a shard: a name may be as long as 255 bytes.

use sc_core::id::KeyId;

/// Names by number, and how many sessions each has. A server has a handful, so a look-up walks over all of them.
#[derive(Debug, Default)]
pub(super) struct KeyNames(Vec<Option<(KeyId, u32)>>);

impl KeyNames {
    /// The number of a name that one more session has.
    pub(super) fn take(&mut self, name: &KeyId) -> u32 {
        let free = || self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        let at = self.find(name).map_or_else(free, index);
        if at == self.0.len() {
            self.0.push(None);
        }
        if let Some(place) = self.0.get_mut(at) {
            let (_, sessions) = place.get_or_insert_with(|| (name.clone(), 0));
            *sessions = sessions.saturating_add(1);
        }
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// One session less has this name; it is forgotten with its last one.
    pub(super) fn give_back(&mut self, number: u32) {
        if let Some(place) = self.0.get_mut(index(number)) {
            *place = place.take().filter(|(_, sessions)| *sessions > 1).map(|(name, left)| (name, left - 1));
        }
    }

    pub(super) fn name(&self, number: u32) -> Option<&KeyId> {
        self.0.get(index(number))?.as_ref().map(|(name, _)| name)
    }

    /// The number of a name that some session has.
    pub(super) fn find(&self, name: &KeyId) -> Option<u32> {
        let at = self.0.iter().position(|place| place.as_ref().is_some_and(|(held, _)| held == name))?;
        u32::try_from(at).ok()
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_until_its_last_session_ends() {
        let [one, two, three] = ["one", "two", "three"].map(|name| KeyId::parse(name).unwrap());
        let mut names = KeyNames::default();
        assert_eq!([&one, &two, &one, &two].map(|name| names.take(name)), [0, 1, 0, 1]);
        names.give_back(0);
        assert_eq!((names.name(0), names.find(&one)), (Some(&one), Some(0)));
        names.give_back(0);
        assert_eq!((names.name(0), names.find(&one), names.find(&two)), (None, None, Some(1)));
        names.give_back(0);
        assert_eq!((names.take(&three), names.name(0)), (0, Some(&three)), "its number is used again");
        assert_eq!(names.name(u32::MAX), None);
    }
}
