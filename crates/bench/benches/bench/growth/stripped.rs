//! How large the binaries are without their symbols.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use tokio::process::Command;

use crate::cli::GrowthOptions;
use crate::spread::as_f64;

const MIB: f64 = 1_048_576.0;

/// A figure that has no size to grow with.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) title: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

/// Of this build.
pub(super) async fn measure(options: &GrowthOptions) -> anyhow::Result<Vec<Figure>> {
    let build = &options.common.bin_dir;
    let mut figures = Vec::new();
    for binary in [&build.ingest, &build.results, &build.votectl] {
        let name = binary.file_name().context("it has no name")?;
        figures.push(Figure {
            title: format!("{}, stripped", name.to_string_lossy()),
            value: stripped(binary, &options.common.out).await? / MIB,
            unit: "MiB",
        });
    }
    Ok(figures)
}

async fn stripped(binary: &Path, folder: &Path) -> anyhow::Result<f64> {
    let file = folder.join("stripped");
    let status = Command::new("strip")
        .arg("-o")
        .arg(&file)
        .arg(binary)
        .status()
        .await
        .context("strip can't be run: it is in binutils")?;
    ensure!(status.success(), "strip failed: {status}");
    let bytes = std::fs::metadata(&file)?.len();
    std::fs::remove_file(&file)?;
    Ok(as_f64(bytes))
}
