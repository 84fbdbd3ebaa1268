//! The stories of calls in virtual time.

mod answering;
mod carriers;
