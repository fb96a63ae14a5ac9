//! A manifest: the files that a transfer sends, and under which paths.
//!
//! Paths are strings in JSON, so a call cannot name a path that is not UTF-8. A folder that is mapped may contain such
//! paths; they are transferred, and reported with U+FFFD in place of the bytes that are not UTF-8.

use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// JetStream's Manifest structure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestRecord {
    /// Why it could not be created; `None` unless `status` is `Error`.
    pub error_message: Option<String>,
    /// Identifies the manifest: 32 hexadecimal digits. Opaque.
    pub manifest_id: String,
    /// The user who created it; `None` if not known.
    pub owner: Option<String>,
    /// Always null: there are no tokens that own manifests.
    pub owner_token: (),
    /// Always null, as `owner_token`.
    pub owner_token_session: (),
    /// Whether the folders are still read: `status` is `Pending`.
    pub processing: bool,
    /// How far it is.
    pub status: ManifestStatus,
    /// The number of files; `None` while it is pending.
    pub total_files: Option<u64>,
    /// The bytes of all files; `None` while it is pending.
    #[serde(rename = "totalSize")]
    pub total_bytes: Option<u64>,
    /// Always null: there are no metadata of users.
    pub user_data: (),
}

/// How far a manifest is. JetStream's list, closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ManifestStatus {
    /// Its folders are read.
    #[default]
    Pending,
    /// A transfer may use it.
    Complete,
    /// It could not be created.
    Error,
}

/// JetStream's Manifest Files structure: the files of a manifest, or a page of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestFiles {
    /// The files, in the order of the manifest.
    pub file_mappings: Vec<ManifestFile>,
    /// The manifest.
    pub manifest_id: String,
}

/// JetStream's File Mapping structure: a file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestFile {
    /// Where the receiver writes it, below the path of the transfer.
    #[serde(rename = "destPath")]
    pub destination_path: String,
    /// Whether a user may execute it.
    pub executable: bool,
    /// Its bytes; 0 for an empty directory.
    #[serde(rename = "fileSize")]
    pub file_bytes: u64,
    /// Whether it is an empty directory that the receiver creates.
    pub is_empty_dir: bool,
    /// When its contents were last modified.
    #[serde(rename = "modificationTime")]
    pub modified_wall_us: i64,
    /// Where the sender reads it.
    #[serde(rename = "srcPath")]
    pub source_path: String,
}

/// A file or folder and where the receiver writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Where the receiver writes it, below the path of the transfer.
    pub destination_path: String,
    /// Where the sender reads it.
    pub source_path: String,
}

/// The parameters of `createManifest`: `mappings`, an object of destination paths with their source paths, or
/// `fileMappings`, texts as JetStream's console has them (`SOURCE:DESTINATION`, or with `::` if a path has a colon).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct NewManifest {
    /// At least one, no two with the same destination path, in the order given. The paths are not checked.
    pub mappings: Vec<Mapping>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "mappings or fileMappings")]
struct Parameters {
    #[serde(default)]
    mappings: Option<Mappings>,
    #[serde(default)]
    file_mappings: Option<Texts>,
}

/// The members of an object in their order.
struct Mappings(Vec<Mapping>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts SOURCE:DESTINATION")]
enum Texts {
    One(String),
    All(Vec<String>),
}

impl TryFrom<Parameters> for NewManifest {
    type Error = String;

    fn try_from(parameters: Parameters) -> Result<Self, String> {
        let mut mappings = parameters.mappings.map(|all| all.0).unwrap_or_default();
        let texts = match parameters.file_mappings {
            None => Vec::new(),
            Some(Texts::One(text)) => vec![text],
            Some(Texts::All(texts)) => texts,
        };
        for text in texts {
            mappings.push(read_text(&text)?);
        }
        if mappings.is_empty() {
            return Err("no file is mapped: expected mappings or fileMappings".to_owned());
        }
        let mut paths = HashSet::with_capacity(mappings.len());
        match mappings.iter().find(|mapping| !paths.insert(&*mapping.destination_path)) {
            None => Ok(Self { mappings }),
            Some(twice) => {
                Err(format!("the destination path `{}` is mapped twice", twice.destination_path))
            }
        }
    }
}

/// `SOURCE:DESTINATION`, or with `::`.
fn read_text(text: &str) -> Result<Mapping, String> {
    let separator = if text.contains("::") { "::" } else { ":" };
    match text.split(separator).collect::<Vec<_>>()[..] {
        [source, destination] if !source.is_empty() && !destination.is_empty() => {
            Ok(Mapping { destination_path: destination.to_owned(), source_path: source.to_owned() })
        }
        _ => Err(format!(
            "`{text}` is not SOURCE:DESTINATION; use SOURCE::DESTINATION or mappings if a path has a colon"
        )),
    }
}

impl<'de> Deserialize<'de> for Mappings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MappingsVisitor)
    }
}

struct MappingsVisitor;

impl<'de> Visitor<'de> for MappingsVisitor {
    type Value = Mappings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of destination paths with their source paths")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mappings, A::Error> {
        let mut mappings = Vec::new();
        while let Some((destination_path, source_path)) = map.next_entry()? {
            mappings.push(Mapping { destination_path, source_path });
        }
        Ok(Mappings(mappings))
    }
}
