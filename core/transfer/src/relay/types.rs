//! The numbers of the types of relay frames.

use crate::encoding::numbered;

numbered! {
    /// Types of [`super::RelayFrame`].
    pub(super) enum RelayType {
        Hello = 0,
        Register = 1,
        Registered = 2,
        Request = 3,
        Opened = 4,
        Invited = 5,
        Bound = 6,
        Closed = 7,
        Refused = 8,
        Ping = 9,
        Pong = 10,
    }
}

numbered! {
    /// Families of an address.
    pub(super) enum Family {
        V4 = 4,
        V6 = 6,
    }
}
