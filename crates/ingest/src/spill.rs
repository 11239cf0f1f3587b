//! Where accepted votes are left that Redis may not have when the process ends: a file for `votectl replay`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use vote_http::{Context, StopError};
use vote_runtime::entropy;
use vote_store::{Spill, SpillPart};

/// How such files are called: `vote-spill-<time>-<writer>.jsonl`.
const PREFIX: &str = "vote-spill-";
const SUFFIX: &str = ".jsonl";

/// How often files that are there are counted.
const COUNTED_EVERY: Duration = Duration::from_secs(15);

const SOFTWARE: &str = concat!("vote-ingest ", env!("CARGO_PKG_VERSION"));

/// A directory that can be written to.
#[derive(Debug, Clone)]
pub(crate) struct SpillDir {
    path: PathBuf,
    files: Gauge,
}

/// Why a directory is none for spills.
#[derive(Debug, thiserror::Error)]
#[error(
    "spill.dir: {} {reason}; it must be a directory that vote-ingest can write to, on a volume that outlives it \
     (--spill DIR or VOTE__SPILL__DIR; leave it out to go without)",
    path.display()
)]
pub(crate) struct SpillDirError {
    path: PathBuf,
    reason: String,
}

impl SpillDir {
    /// Makes sure that files can be written there, and counts those that are there from now on: each is of a process
    /// whose votes are not recorded yet.
    /// `None` where there is no path.
    pub(crate) async fn open(
        path: Option<&Path>,
        context: &mut Context,
    ) -> Result<Option<Self>, SpillDirError> {
        let files = Gauge::default();
        context.metrics.register(
            "vote_spill_files",
            "Files in spill.dir with accepted votes that an ended process has left behind, until they are moved away",
            files.clone(),
        );
        let Some(path) = path else { return Ok(None) };
        let dir = Self {
            path: path.to_owned(),
            files,
        };
        let probed = dir.clone();
        blocking(move || probed.probe()).await.map_err(|error| {
            let reason = match error.kind() {
                io::ErrorKind::NotFound => "is not there".to_owned(),
                io::ErrorKind::NotADirectory => "is no directory".to_owned(),
                _ => format!("can't be written to ({error})"),
            };
            SpillDirError {
                path: path.to_owned(),
                reason,
            }
        })?;
        tokio::spawn(dir.clone().follow(context.lifecycle.stopped()));
        Ok(Some(dir))
    }

    fn probe(&self) -> io::Result<()> {
        if !fs::metadata(&self.path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        // Other processes may look at the same moment.
        let random = entropy::random_bytes().map_err(io::Error::other)?;
        let name = format!(".{PREFIX}{:016x}.probe", u64::from_be_bytes(random));
        let probe = self.path.join(name);
        drop(create(&probe)?);
        fs::remove_file(&probe)
    }

    /// Counts the files until the process ends.
    async fn follow(self, stopped: CancellationToken) {
        let mut ticks = tokio::time::interval(COUNTED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let dir = self.clone();
            match blocking(move || dir.count()).await {
                Ok(files) => {
                    if files > 0 && self.files.get() == 0 {
                        tracing::error!(
                            dir = %self.path.display(), files,
                            "an ended process has left accepted votes: record them by `votectl replay FILE`, then move \
                             the file away"
                        );
                    }
                    self.files.set(files);
                }
                Err(error) => {
                    tracing::warn!(%error, dir = %self.path.display(), "spill.dir can't be read");
                }
            }
        }
    }

    fn count(&self) -> io::Result<i64> {
        let mut files = 0;
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            files += i64::from(name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        }
        Ok(files)
    }

    /// The name of a spill's file.
    fn file_of(&self, spill: &Spill, now: Timestamp) -> PathBuf {
        let writer = spill.first_writer().map(|writer| writer.to_string());
        self.path.join(format!(
            "{PREFIX}{}-{}{SUFFIX}",
            now.strftime("%Y%m%dT%H%M%SZ"),
            writer.unwrap_or_default()
        ))
    }

    /// Writes the file, and only then gives it its name. It should be on disk before, which a busy disk may not manage in
    /// time: then it has its name all the same, and its digest says whether it is whole. Whether it is on disk.
    async fn write(
        &self,
        spill: Arc<Spill>,
        path: &Path,
        now: Timestamp,
        patience: Duration,
    ) -> io::Result<bool> {
        let unfinished = path.with_extension("tmp");
        let to = unfinished.clone();
        let file = blocking(move || {
            let file = create(&to)?;
            if let Err(error) = spill.write(BufWriter::new(&file), now, SOFTWARE) {
                // A part of it can't be replayed, and takes the place of others on a full disk.
                let _removed = fs::remove_file(&to);
                return Err(error);
            }
            Ok(file)
        })
        .await?;
        let on_disk = async |file: File| {
            let synced = blocking(move || file.sync_all());
            match tokio::time::timeout(patience, synced).await {
                Ok(synced) => synced.map(|()| true),
                Err(_) => Ok(false),
            }
        };
        let is_on_disk = on_disk(file).await?;
        let (named, dir) = (path.to_owned(), self.path.clone());
        let dir = blocking(move || {
            fs::rename(&unfinished, &named)?;
            File::open(&dir)
        })
        .await?;
        self.files.inc();
        Ok(is_on_disk && on_disk(dir).await?)
    }
}

/// A new file, for its owner alone.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Writes all of it to the log, part by part.
fn log(spill: &Spill, now: Timestamp) {
    let mut text = Vec::new();
    let written = spill.write(&mut text, now, SOFTWARE);
    let text = String::from_utf8(text).unwrap_or_default();
    if let Err(error) = written {
        tracing::error!(%error, "accepted votes can't be written to the log");
        return;
    }
    for part in SpillPart::of(&text) {
        tracing::error!(
            spill.id = part.id,
            spill.part = part.part,
            spill.parts = part.parts,
            spill.text = part.text,
            "accepted votes that Redis may not have: record them by `votectl replay` from these lines"
        );
    }
}

/// Where accepted votes are left behind.
pub(crate) struct Place {
    pub(crate) dir: Option<SpillDir>,
    pub(crate) to_log: bool,
    /// The longest time for the file.
    pub(crate) patience: Duration,
}

/// Leaves accepted votes behind, says where, and that this is how the process ends.
pub(crate) async fn leave(spill: Spill, place: Place, now: Timestamp) -> StopError {
    let (votes, spill) = (spill.votes(), Arc::new(spill));
    let (mut whereabouts, to_log) = match place.dir {
        None => {
            let nowhere = "they are in no file, for spill.dir is not set".to_owned();
            (nowhere, place.to_log)
        }
        Some(dir) => match in_file(Arc::clone(&spill), &dir, now, place.patience).await {
            Ok(file) => (file, place.to_log),
            // Whoever set a directory wants them kept: the log is what is left.
            Err(nowhere) => (nowhere, true),
        },
    };
    if to_log {
        log(&spill, now);
        whereabouts.push_str(", and in the log");
    }
    tracing::error!(
        votes,
        whereabouts,
        "the process ends with accepted votes that Redis may not have"
    );
    StopError::Unrecorded { votes, whereabouts }
}

/// Writes them to their file; gives where they are then, or why they may be in none.
async fn in_file(
    spill: Arc<Spill>,
    dir: &SpillDir,
    now: Timestamp,
    patience: Duration,
) -> Result<String, String> {
    let path = dir.file_of(&spill, now);
    // Two waits for the disk, and the rest.
    let written = dir.write(spill, &path, now, patience / 3);
    let file = path.display();
    match tokio::time::timeout(patience, written).await {
        Ok(Ok(true)) => Ok(format!("they are in {file}, for `votectl replay`")),
        Ok(Ok(false)) => Ok(format!(
            "they are in {file}, for `votectl replay`, and the disk has not confirmed it"
        )),
        Ok(Err(error)) => {
            let dir = dir.path.display();
            Err(format!(
                "they are in no file, for {dir} can't be written to ({error})"
            ))
        }
        Err(_) => Err(format!(
            "{file} may be missing, for its directory did not take it in time"
        )),
    }
}
