//! What has been heard: the replay list of RFC 3711 §3.3.2.

/// The highest index and which of the 128 up to it have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    highest: u64,
    seen: u128,
}

impl Window {
    /// Nothing has come, but `first` is about to.
    pub(super) fn new(first: u64) -> Self {
        Self { highest: first, seen: 0 }
    }

    pub(super) fn highest(self) -> u64 {
        self.highest
    }

    /// True if this index has not come and is not too old to tell.
    pub(super) fn admits(self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(age) => age < 128 && self.seen >> age & 1 == 0,
        }
    }

    /// This index has come.
    pub(super) fn with(self, index: u64) -> Self {
        match self.highest.checked_sub(index) {
            Some(age) if age < 128 => Self { seen: self.seen | 1 << age, ..self },
            Some(_) => self,
            None => {
                let ahead = (index - self.highest).min(u64::from(u32::MAX)) as u32;
                Self { highest: index, seen: self.seen.checked_shl(ahead).unwrap_or(0) | 1 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_comes_in_once_in_any_order() {
        let mut window = Window::new(1_000);
        for index in [1_000, 1_005, 1_002, 1_128, 1_001, 1_300] {
            assert!(window.admits(index), "{index}");
            window = window.with(index);
            assert!(!window.admits(index), "{index}");
        }
        assert!(!window.admits(1_172) && window.admits(1_173) && window.admits(1_301));
    }
}
