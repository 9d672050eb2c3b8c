//! Damage that is done to files.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::dice::Dice;

/// How often each sort of damage was done.
#[derive(Default)]
pub(super) struct Damage {
    pub(super) flips: usize,
    pub(super) truncations: usize,
    pub(super) swaps: usize,
}

impl Damage {
    pub(super) fn all(&self) -> usize {
        self.flips + self.truncations + self.swaps
    }

    /// Damages `count` of the files, and the partners of those that are exchanged; which all those are.
    pub(super) fn strike(&mut self, files: &[PathBuf], count: usize, dice: &mut Dice) -> Vec<PathBuf> {
        let mut struck = HashSet::new();
        let mut next = |dice: &mut Dice| loop {
            let file = dice.pick(files).clone();
            if struck.insert(file.clone()) {
                return file;
            }
        };
        let mut damaged = Vec::new();
        for _ in 0..count {
            let file = next(dice);
            match dice.below(4) {
                0 => {
                    let other = next(dice);
                    swap(&file, &other);
                    damaged.push(other);
                    self.swaps += 1;
                }
                1 => {
                    truncate(&file, dice);
                    self.truncations += 1;
                }
                _ => {
                    flip(&file, dice);
                    self.flips += 1;
                }
            }
            damaged.push(file);
        }
        damaged
    }
}

/// Turns one bit round, in its place.
pub(super) fn flip(file: &Path, dice: &mut Dice) {
    let mut content = fs::read(file).expect("a file");
    let place = dice.below(content.len());
    content[place] ^= 1 << dice.below(8);
    write_in_place(file, &content);
}

/// Cuts the end off.
pub(super) fn truncate(file: &Path, dice: &mut Dice) {
    let size = fs::metadata(file).expect("a file").len();
    let size = usize::try_from(size).expect("a small file");
    let file = fs::OpenOptions::new().write(true).open(file).expect("a file");
    file.set_len(dice.below(size) as u64).expect("it can be cut");
}

/// Exchanges two files.
fn swap(one: &Path, other: &Path) {
    let aside = one.with_extension("aside");
    fs::rename(one, &aside).expect("a file");
    fs::rename(other, one).expect("a file");
    fs::rename(&aside, other).expect("a file");
}

fn write_in_place(path: &Path, content: &[u8]) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::OpenOptions::new().write(true).open(path).expect("a file");
    file.write_all_at(content, 0).expect("a file that can be written");
}
