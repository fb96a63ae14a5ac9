//! A manifest: the files that a transfer sends, and under which paths.
//!
//! Paths are strings in JSON. A path that is not UTF-8 is reported with U+FFFD in place of those bytes, and exactly in a field
//! of hexadecimal digits; a call names one by such digits too.

use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::HexBytes;

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
    /// `destination_path`, if that is not UTF-8.
    #[serde(rename = "destPathHex", default)]
    pub destination_path_hex: Option<HexBytes>,
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
    /// `source_path`, if that is not UTF-8.
    #[serde(rename = "srcPathHex", default)]
    pub source_path_hex: Option<HexBytes>,
}

/// A file or folder and where the receiver writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Where the receiver writes it, below the path of the transfer.
    pub destination_path: Vec<u8>,
    /// Where the sender reads it.
    pub source_path: Vec<u8>,
}

/// The parameters of `createManifest`: `mappings`, an object of destination paths with their source paths,
/// `fileMappings`, texts as JetStream's console has them (`SOURCE:DESTINATION`, or with `::` if a path has a colon), or
/// `mappingsHex`, as `mappings` with the bytes of both paths as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct NewManifest {
    /// At least one, no two with the same destination path, in the order given. The paths are not checked.
    pub mappings: Vec<Mapping>,
}

#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "mappings, fileMappings or mappingsHex"
)]
struct Parameters {
    #[serde(default)]
    mappings: Option<Mappings>,
    #[serde(default)]
    file_mappings: Option<Texts>,
    #[serde(default)]
    mappings_hex: Option<Mappings>,
}

/// The members of an object in their order.
struct Mappings(Vec<(String, String)>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts SOURCE:DESTINATION")]
enum Texts {
    One(String),
    All(Vec<String>),
}

impl TryFrom<Parameters> for NewManifest {
    type Error = String;

    fn try_from(parameters: Parameters) -> Result<Self, String> {
        let mut mappings: Vec<Mapping> = Vec::new();
        for (destination_path, source_path) in parameters.mappings.into_iter().flat_map(|all| all.0)
        {
            let (destination_path, source_path) = (destination_path.into(), source_path.into());
            mappings.push(Mapping { destination_path, source_path });
        }
        let texts = match parameters.file_mappings {
            None => Vec::new(),
            Some(Texts::One(text)) => vec![text],
            Some(Texts::All(texts)) => texts,
        };
        for text in texts {
            mappings.push(read_text(&text)?);
        }
        for (destination_path, source_path) in
            parameters.mappings_hex.into_iter().flat_map(|all| all.0)
        {
            let destination_path = read_hex(&destination_path)?;
            let source_path = read_hex(&source_path)?;
            mappings.push(Mapping { destination_path, source_path });
        }
        if mappings.is_empty() {
            return Err(
                "no file is mapped: expected mappings, fileMappings or mappingsHex".to_owned()
            );
        }
        let mut paths = HashSet::with_capacity(mappings.len());
        match mappings.iter().find(|mapping| !paths.insert(&mapping.destination_path[..])) {
            None => Ok(Self { mappings }),
            Some(twice) => {
                let path = String::from_utf8_lossy(&twice.destination_path);
                Err(format!("the destination path `{path}` is mapped twice"))
            }
        }
    }
}

fn read_hex(text: &str) -> Result<Vec<u8>, String> {
    let bytes = HexBytes::parse(text);
    Ok(bytes.ok_or_else(|| format!("mappingsHex: `{text}` is not pairs of hexadecimal digits"))?.0)
}

/// `SOURCE:DESTINATION`, or with `::`.
fn read_text(text: &str) -> Result<Mapping, String> {
    let separator = if text.contains("::") { "::" } else { ":" };
    match text.split(separator).collect::<Vec<_>>()[..] {
        [source, destination] if !source.is_empty() && !destination.is_empty() => {
            Ok(Mapping { destination_path: destination.into(), source_path: source.into() })
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
        while let Some(mapping) = map.next_entry()? {
            mappings.push(mapping);
        }
        Ok(Mappings(mappings))
    }
}
