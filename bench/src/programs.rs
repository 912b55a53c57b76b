//! The binaries of the functions and of the servers: their paths and their sizes.

use std::{
    error::Error,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::DeflateEncoder};
use marquee::{server::TEMPLATE, template::Template};
use tokio::process::Command;

/// The bare functions that the functions are compared with.
pub const BARE: [&str; 2] = ["hello", "hello-table"];

/// The bare function that makes the calls that its request names.
pub const CALLS: &str = "hello-calls";

/// The names and the template resources of the functions that have no route. The parsed template lists only functions with
/// routes.
const WITHOUT_ROUTES: [(&str, &str); 2] = [("mail", "MailFunction"), ("sweep", "SweepFunction")];

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub struct Choice {
    /// Measure the binaries that `sam build` has written to this directory, such as `.aws-sam/build`, instead of building them
    /// with cargo.
    #[arg(long, value_name = "DIR")]
    bootstraps: Option<PathBuf>,
}

impl Choice {
    /// Returns the choice of the binaries in this directory.
    pub fn bootstraps(directory: &Path) -> Self {
        Self {
            bootstraps: Some(directory.to_owned()),
        }
    }
}

/// The binaries that are measured.
pub struct Programs {
    built: PathBuf,
    bootstraps: Option<PathBuf>,
    template: Template,
    names: Vec<String>,
}

/// A binary's size in bytes.
pub struct Sizes {
    /// Uncompressed, as it is loaded.
    pub plain: u64,
    /// Compressed by DEFLATE, as in the zip file that is deployed.
    pub zipped: u64,
}

impl Programs {
    /// Returns the binaries of the functions in `only`, or of all functions if it is empty, and those of the bare functions
    /// if `bare` is set. The functions are taken from the directory in `choice`, or built. The bare functions are always
    /// built. All builds are one build, so that the binaries share a profile and the features of their dependencies.
    ///
    /// # Errors
    /// Returns an error if the build fails.
    pub async fn of(choice: &Choice, only: &[String], bare: bool) -> Result<Self, Box<dyn Error>> {
        let template = Template::parse(TEMPLATE)?;
        let functions = template.functions.iter().map(|function| function.name.clone());
        let mut names: Vec<String> = functions
            .chain(WITHOUT_ROUTES.map(|(name, _)| name.to_owned()))
            .filter(|name| only.is_empty() || only.contains(name))
            .collect();
        let mut to_build = match choice.bootstraps {
            Some(_) => Vec::new(),
            None => names.clone(),
        };
        if bare {
            names.extend(BARE.map(str::to_owned));
            to_build.extend(BARE.into_iter().chain([CALLS]).map(str::to_owned));
        }
        if !to_build.is_empty() {
            build(&to_build, true).await?;
        }
        Ok(Self {
            built: built(true),
            bootstraps: choice.bootstraps.clone(),
            template,
            names,
        })
    }

    /// Returns the names of the functions, the bare functions last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Returns the path of this function's binary.
    ///
    /// # Errors
    /// Returns an error if the file doesn't exist.
    pub fn path(&self, name: &str) -> Result<PathBuf, Box<dyn Error>> {
        let functions = self.template.functions.iter();
        let function = functions
            .map(|function| (function.name.as_str(), function.resource.as_str()))
            .chain(WITHOUT_ROUTES)
            .find(|(own, _)| *own == name);
        let path = match (&self.bootstraps, function) {
            (Some(directory), Some((_, resource))) => directory.join(resource).join("bootstrap"),
            _ => self.built.join(name),
        };
        whole(&path)
    }

    /// Returns the size of this function's binary.
    ///
    /// # Errors
    /// Returns an error if it can't be read.
    pub fn sizes(&self, name: &str) -> Result<Sizes, Box<dyn Error>> {
        let bytes = fs::read(self.path(name)?)?;
        let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
        zip.write_all(&bytes)?;
        Ok(Sizes {
            plain: bytes.len().try_into()?,
            zipped: zip.finish()?.len().try_into()?,
        })
    }
}

/// Builds these programs, with the release profile or that of development, and returns their paths.
///
/// # Errors
/// Returns an error if the build fails.
pub async fn servers<const N: usize>(
    names: [&str; N],
    release: bool,
) -> Result<[PathBuf; N], Box<dyn Error>> {
    build(&names.map(str::to_owned), release).await?;
    Ok(names.map(|name| built(release).join(name)))
}

/// Returns the path of the program on one machine: this build of it, or one that is built now.
///
/// # Errors
/// Returns an error if there is no such file, or if the build fails.
pub async fn marquee(chosen: Option<&Path>) -> Result<PathBuf, Box<dyn Error>> {
    if let Some(path) = chosen {
        return whole(path);
    }
    let [built] = servers(["marquee"], true).await?;
    Ok(built)
}

/// Returns the path from the root of the file system.
fn whole(path: &Path) -> Result<PathBuf, Box<dyn Error>> {
    path.canonicalize()
        .map_err(|e| format!("{}: {e}", path.display()).into())
}

/// The directory of the programs of a profile.
fn built(release: bool) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join(if release { "release" } else { "debug" })
}

async fn build(programs: &[String], release: bool) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked"]).current_dir(root());
    // `cargo run` has set these for the benchmark. The build script of ring runs again if they change, and then all that uses ring
    // is compiled again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    if release {
        cargo.arg("--release");
    }
    for name in programs {
        cargo.args(["--bin", name]);
    }
    let status = cargo.status().await?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| format!("cargo build: {status}").into())
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns a count as a float, for a division. It is exact, because every measured count is far below 2⁵³.
pub fn precise(value: u64) -> f64 {
    value as f64
}

/// Returns the number of a line of `/proc/<pid>/status` (proc_pid_status(5)).
pub fn number_in(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_the_status_is_found_by_its_name() {
        assert_eq!(
            number_in("Name:\tmarquee\nRssAnon:\t  42 kB\n", "RssAnon:"),
            Some(42)
        );
        assert_eq!(number_in("Name:\tmarquee\n", "RssAnon:"), None);
    }
}
