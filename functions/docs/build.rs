//! Makes the table of the files that the function serves: those of `explorer/` at the root of the repository, and those of
//! `reference/` beside this script. Each is compressed here, once, and has a tag that is a digest of its content.
//!
//! A page loads its files from a folder whose name is a digest of all of them, so that caches may keep them. This script writes the
//! name into the page: `/explorer/app.js` becomes `/explorer/<digest>/app.js`.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    mem,
    path::{Path, PathBuf},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use sha2::{Digest as _, Sha256};

/// The size in bytes from which on a file is compressed. A smaller one fits into one packet anyway.
const SMALLEST: usize = 1024;

/// The folders of files, and the path below which their files are served.
const FOLDERS: [(&str, &str); 2] = [("../../explorer", "/explorer/"), ("reference", "/api/docs/")];

/// The ends of the names of served files, and the media type of each. Other files, such as licenses and scripts that renew
/// what is vendored, are not served.
const TYPES: [(&str, &str); 9] = [
    (".html", "text/html; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".svg", "image/svg+xml; charset=utf-8"),
    (".png", "image/png"),
    (".webp", "image/webp"),
    (".ico", "image/x-icon"),
    (".woff2", "font/woff2"),
    (".webmanifest", "application/manifest+json; charset=utf-8"),
];

/// A file that is served.
struct Asset {
    /// Where it is served.
    path: String,
    kind: &'static str,
    /// Its content, not compressed.
    content: Vec<u8>,
    /// The compressed content that is checked in, if that is how the file is checked in.
    compressed: Option<Vec<u8>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("&[\n");
    let mut folders = String::new();
    for (folder, served) in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        let mut assets = Vec::new();
        collect(Path::new(folder), served, &mut assets)?;
        assets.sort_by(|one, other| one.path.cmp(&other.path));
        let files = folder_digest(&assets);
        writeln!(folders, "    ({served:?}, {files:?}),")?;
        for asset in &mut assets {
            if asset.kind.starts_with("text/html") {
                let page = String::from_utf8(mem::take(&mut asset.content))?;
                let page = page.replace(&format!("\"{served}"), &format!("\"{served}{files}/"));
                asset.content = page.into_bytes();
            }
            write_asset(asset, &out, &mut table)?;
        }
    }
    table.push(']');
    fs::write(out.join("files.rs"), table)?;
    fs::write(out.join("folders.rs"), format!("&[\n{folders}]"))?;
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}

/// Adds the files below `folder` that are served, recursively.
fn collect(folder: &Path, served: &str, assets: &mut Vec<Asset>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| format!("{}: the name isn't UTF-8", path.display()))?;
        if path.is_dir() {
            collect(&path, &format!("{served}{name}/"), assets)?;
            continue;
        }
        let plain_name = name.strip_suffix(".gz").unwrap_or(name);
        let Some((_, kind)) = TYPES.iter().find(|(end, _)| plain_name.ends_with(end)) else {
            continue;
        };
        let stored = fs::read(&path)?;
        let (content, compressed) = if plain_name == name {
            (stored, None)
        } else {
            let mut content = Vec::new();
            GzDecoder::new(&*stored).read_to_end(&mut content)?;
            (content, Some(stored))
        };
        assets.push(Asset {
            path: format!("{served}{plain_name}"),
            kind,
            content,
            compressed,
        });
    }
    Ok(())
}

/// Returns the digest of all files of a folder, with their names, as the name of a folder.
fn folder_digest(assets: &[Asset]) -> String {
    let mut digest = Sha256::new();
    for asset in assets {
        for part in [asset.path.as_bytes(), &asset.content] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    hex(digest.finalize().get(..8).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes the content of a file to `out`, a text of [`SMALLEST`] or more compressed, and adds its line to the table.
fn write_asset(asset: &Asset, out: &Path, table: &mut String) -> Result<(), Box<dyn Error>> {
    let tag = hex(Sha256::digest(&asset.content).get(..16).unwrap_or_default());
    let is_text = asset.kind.contains("charset");
    let compressed = match &asset.compressed {
        Some(stored) => Some(stored.clone()),
        None if is_text && asset.content.len() >= SMALLEST => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&asset.content)?;
            Some(encoder.finish()?)
        }
        None => None,
    };
    let is_compressed = compressed.is_some();
    let stored = out.join(format!("{tag}.{}", if is_compressed { "gz" } else { "plain" }));
    fs::write(&stored, compressed.as_ref().unwrap_or(&asset.content))?;
    writeln!(
        table,
        "    File {{ path: {:?}, kind: {:?}, tag: {:?}, is_compressed: {is_compressed}, content: include_bytes!({stored:?}) }},",
        asset.path,
        asset.kind,
        format!("\"{tag}\""),
    )?;
    Ok(())
}
