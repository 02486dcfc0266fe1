//! What handles have in common.

/// Defines a handle type over the number that the registry gives out.
macro_rules! handle {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(u64);

        impl $name {
            /// The handle with this number, as it came from [`Self::id`]. Any other number is
            /// refused by every call.
            pub const fn from_id(id: u64) -> $name {
                $name(id)
            }

            /// The number; never 0.
            pub const fn id(self) -> u64 {
                self.0
            }
        }
    };
}

pub(crate) use handle;
