//! The release binaries of the functions: their paths and their sizes.

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

/// The name and the resource of the function without a route, which the parsed template doesn't list.
const SWEEP: (&str, &str) = ("sweep", "SweepFunction");

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Choice {
    /// Measure the binaries that `sam build` has written to this directory, such as `.aws-sam/build`, instead of building them
    /// with cargo.
    #[arg(long, value_name = "DIR")]
    bootstraps: Option<PathBuf>,
}

/// The binaries.
pub struct Programs {
    built: PathBuf,
    bootstraps: Option<PathBuf>,
    template: Template,
    names: Vec<String>,
}

/// A binary's size in bytes.
pub struct Sizes {
    /// As it is loaded.
    pub plain: u64,
    /// As it is deployed: compressed by DEFLATE, as in a zip file.
    pub zipped: u64,
}

impl Programs {
    /// The functions named by `only`, or all of them for none, and the bare ones for `bare`. Those that aren't given by `choice`
    /// are built together, so that they share a profile and the features of their dependencies.
    ///
    /// # Errors
    /// When the build fails.
    pub async fn of(choice: &Choice, only: &[String], bare: bool) -> Result<Self, Box<dyn Error>> {
        let template = Template::parse(TEMPLATE)?;
        let functions = template.functions.iter().map(|function| function.name.clone());
        let mut names: Vec<String> = functions
            .chain([SWEEP.0.to_owned()])
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
            build(&to_build).await?;
        }
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        Ok(Self {
            built: target.join("release"),
            bootstraps: choice.bootstraps.clone(),
            template,
            names,
        })
    }

    /// The names of the functions, the bare ones last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The path of this function's binary.
    ///
    /// # Errors
    /// When the file doesn't exist.
    pub fn path(&self, name: &str) -> Result<PathBuf, Box<dyn Error>> {
        let functions = self.template.functions.iter();
        let function = functions
            .map(|function| (function.name.as_str(), function.resource.as_str()))
            .chain([SWEEP])
            .find(|(own, _)| *own == name);
        let path = match (&self.bootstraps, function) {
            (Some(directory), Some((_, resource))) => directory.join(resource).join("bootstrap"),
            _ => self.built.join(name),
        };
        path.canonicalize()
            .map_err(|e| format!("{}: {e}", path.display()).into())
    }

    /// The size of this function's binary.
    ///
    /// # Errors
    /// When it can't be read.
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

async fn build(programs: &[String]) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked"]).current_dir(root());
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

/// A count as a float, for a division.
#[allow(clippy::cast_precision_loss, reason = "every measured count is far below 2⁵³")]
pub fn precise(value: u64) -> f64 {
    value as f64
}
