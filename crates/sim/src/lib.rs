//! A world in virtual time: phones, voices, bad networks, faults.
