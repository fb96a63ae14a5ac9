//! Which relative paths a receiver accepts. A path is bytes, as the kernel's are, and need not be UTF-8.
//!
//! A path that is accepted here stays below the folder that it is opened in, unless a symbolic link leads out of it;
//! `openat2(RESOLVE_BENEATH)` refuses those.

/// Bytes of a path at most. `PATH_MAX` of Linux bounds a single call; a path may be opened component by component.
pub const MAX_PATH_BYTES: usize = 65_536;
/// Bytes of a component at most: `NAME_MAX` of Linux.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// Why a path is refused. Positions count bytes from 0, components from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The path has no bytes.
    #[error("the path is empty")]
    Empty,
    /// The path begins with `/`.
    #[error("the path is absolute")]
    Absolute,
    /// The path has more than [`MAX_PATH_BYTES`].
    #[error("the path has {0} bytes, more than {MAX_PATH_BYTES}")]
    TooLong(usize),
    /// The path has a NUL byte.
    #[error("the path has a NUL byte at position {0}")]
    Nul(usize),
    /// A component is empty: `a//b` or `a/`.
    #[error("component {0} of the path is empty")]
    EmptyComponent(usize),
    /// A component is `.` or `..`.
    #[error("component {0} of the path is . or ..")]
    DotComponent(usize),
    /// A component has more than [`MAX_COMPONENT_BYTES`].
    #[error("component {component} of the path has {bytes} bytes, more than {MAX_COMPONENT_BYTES}")]
    ComponentTooLong {
        /// The component.
        component: usize,
        /// Its bytes.
        bytes: usize,
    },
}

/// A path that a receiver accepts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelativePath(Vec<u8>);

impl RelativePath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`NameError`] of the first fault.
    pub fn new(bytes: &[u8]) -> Result<Self, NameError> {
        if bytes.is_empty() {
            return Err(NameError::Empty);
        }
        if bytes.len() > MAX_PATH_BYTES {
            return Err(NameError::TooLong(bytes.len()));
        }
        if bytes.starts_with(b"/") {
            return Err(NameError::Absolute);
        }
        if let Some(position) = bytes.iter().position(|byte| *byte == 0) {
            return Err(NameError::Nul(position));
        }
        for (name, component) in bytes.split(|byte| *byte == b'/').zip(1..) {
            match name {
                b"" => return Err(NameError::EmptyComponent(component)),
                b"." | b".." => return Err(NameError::DotComponent(component)),
                _ if name.len() > MAX_COMPONENT_BYTES => {
                    return Err(NameError::ComponentTooLong { component, bytes: name.len() });
                }
                _ => {}
            }
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components, at least one.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(path: &[u8]) -> Option<NameError> {
        RelativePath::new(path).err()
    }

    #[test]
    fn names_of_files_are_accepted() {
        let accepted: [&[u8]; 6] =
            [b"a", b"a/b", b"...", b"..a/.b", b"\xff\xfe/ \n", b"C:\\a\\..\\b"];
        for path in accepted {
            assert_eq!(RelativePath::new(path).unwrap().as_bytes(), path);
        }
        let path = RelativePath::new(b"a/bc").unwrap();
        assert_eq!(path.components().collect::<Vec<_>>(), [&b"a"[..], b"bc"]);
    }

    #[test]
    fn what_leaves_the_folder_is_refused() {
        assert_eq!(error(b".."), Some(NameError::DotComponent(1)));
        assert_eq!(error(b"a/../b"), Some(NameError::DotComponent(2)));
        assert_eq!(error(b"a/."), Some(NameError::DotComponent(2)));
        assert_eq!(error(b"/etc/passwd"), Some(NameError::Absolute));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(error(b""), Some(NameError::Empty));
        assert_eq!(error(b"a/"), Some(NameError::EmptyComponent(2)));
        assert_eq!(error(b"a//b"), Some(NameError::EmptyComponent(2)));
        assert_eq!(error(b"a\0b"), Some(NameError::Nul(1)));
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(error(&[b'a'; 255]), None);
        let too_long = NameError::ComponentTooLong { component: 1, bytes: 256 };
        assert_eq!(error(&[b'a'; 256]), Some(too_long));
        assert_eq!(error(&b"a/".repeat(32_768)[..65_535]), None);
        assert_eq!(error(&[b'a'; 65_537]), Some(NameError::TooLong(65_537)));
    }
}
