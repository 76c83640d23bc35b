//! Names of the files: `<appendfilename>.<number>.<base.rdb|base.aof|incr.aof>` and the manifest, all in one folder.

use std::path::PathBuf;

use crate::config::Config;

/// Beginning of the name of a base that is not complete.
const TEMPORARY: &str = "temp-rewriteaof-";

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Names {
    /// The server's working directory when it started.
    root: PathBuf,
    pub folder: PathBuf,
    prefix: String,
}

impl Names {
    pub fn new(root: PathBuf, config: &Config) -> Names {
        let folder = root.join(&config.appenddirname);
        Names { root, folder, prefix: config.appendfilename.clone() }
    }

    pub fn manifest_name(&self) -> String {
        format!("{}.manifest", self.prefix)
    }

    pub fn manifest(&self) -> PathBuf {
        self.folder.join(self.manifest_name())
    }

    pub fn temporary_manifest(&self) -> PathBuf {
        self.folder.join(format!("temp_{}", self.manifest_name()))
    }

    pub fn temporary_base(&self) -> PathBuf {
        self.folder.join(format!("{TEMPORARY}bg-{}.aof", std::process::id()))
    }

    /// An increment that no manifest names yet.
    pub fn temporary_increment(&self, number: u64) -> String {
        format!("temp-{}.{number}.incr", self.prefix)
    }

    /// The one file of servers before 7.0, in the working directory.
    pub fn old_style(&self) -> PathBuf {
        self.root.join(&self.prefix)
    }

    pub fn old_style_name(&self) -> &str {
        &self.prefix
    }

    pub fn base(&self, number: u64, is_rdb: bool) -> String {
        format!("{}.{number}.base.{}", self.prefix, if is_rdb { "rdb" } else { "aof" })
    }

    pub fn increment(&self, number: u64) -> String {
        format!("{}.{number}.incr.aof", self.prefix)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether a file is one that a crash left behind and nobody needs.
    pub fn is_temporary(&self, name: &str) -> bool {
        name.starts_with(TEMPORARY)
            || name.strip_prefix("temp-").is_some_and(|rest| rest.starts_with(&self.prefix))
            || *name == format!("temp_{}", self.manifest_name())
    }

    /// Whether a file holds data of this server.
    pub fn is_data(&self, name: &str) -> bool {
        let middle = name.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix('.'));
        let Some((number, kind)) = middle.and_then(|rest| rest.split_once('.')) else { return false };
        !number.is_empty()
            && number.bytes().all(|digit| digit.is_ascii_digit())
            && matches!(kind, "base.rdb" | "base.aof" | "incr.aof")
    }
}
