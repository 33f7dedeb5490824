//! All that a process may write to: what a core dump of it would hold.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::memmem;

/// One stretch of memory, with its place.
struct Region {
    name: String,
    start: u64,
    bytes: Vec<u8>,
}

/// The memory of a process at one moment.
pub struct Image(Vec<Region>);

impl Image {
    /// Of a running process, by its folder in /proc.
    pub fn of_process(proc: &Path) -> Self {
        let (maps, memory) =
            (std::fs::read_to_string(proc.join("maps")).unwrap(), File::open(proc.join("mem")).unwrap());
        let read = |line: &str| -> Option<Region> {
            let mut words = line.split_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
            words.next().filter(|rights| rights.starts_with("rw"))?;
            let name = words.nth(3).unwrap_or("anonymous").to_owned();
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            // Page by page: a few cannot be read, and say so.
            for (page, part) in (0_u64..).zip(bytes.chunks_mut(1 << 16)) {
                let _ = memory.read_exact_at(part, start + (page << 16));
            }
            Some(Region { name, start, bytes })
        };
        Self(maps.lines().filter_map(read).collect())
    }

    /// Of a core file: its memory, and apart from it what the kernel notes, the registers of every thread.
    pub fn of_core(path: &Path) -> (Self, Self) {
        /// A segment that was loaded (elf(5)).
        const PT_LOAD: u64 = 1;
        let file = std::fs::read(path).unwrap();
        let number = |at: u64, len: usize| {
            let at = usize::try_from(at).unwrap();
            file[at..at + len].iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
        let (mut memory, mut notes) = (Vec::new(), Vec::new());
        for header in (0..count).map(|n| table + n * size) {
            let [from, start, len] = [8, 16, 32].map(|field| number(header + field, 8));
            let [from, len] = [from, len].map(|number| usize::try_from(number).unwrap());
            let region = Region { name: "core".to_owned(), start, bytes: file[from..from + len].to_vec() };
            if number(header, 4) == PT_LOAD { memory.push(region) } else { notes.push(region) }
        }
        (Self(memory), Self(notes))
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|region| region.bytes.len()).sum()
    }

    /// Every aligned stretch of so many bytes.
    pub fn aligned(&self, len: usize) -> impl Iterator<Item = &[u8]> {
        self.0.iter().flat_map(move |region| region.bytes.windows(len).step_by(8))
    }

    /// Where any of these pieces is, one line each.
    pub fn report(&self, what: &str, pieces: &[Vec<u8>]) -> Vec<String> {
        let mut found = Vec::new();
        for region in &self.0 {
            for piece in pieces {
                let at = memmem::find_iter(&region.bytes, piece);
                found.extend(at.map(|at| format!("{what} at {} {:#x} + {at:#x}", region.name, region.start)));
            }
        }
        found
    }

    pub fn holds(&self, secret: &[u8]) -> bool {
        self.0.iter().any(|region| memmem::find(&region.bytes, secret).is_some())
    }
}

/// Bytes that are there by no chance.
const PIECE: usize = 12;

/// A secret in pieces, of which each would be enough to guess the rest: an allocator writes its notes over the front of
/// what is freed.
pub fn pieces(secret: &[u8]) -> Vec<Vec<u8>> {
    let last = secret.len().checked_sub(PIECE).map(|at| secret[at..].to_vec());
    secret.chunks_exact(PIECE).map(<[u8]>::to_vec).chain(last).collect()
}
