//! nginx in the fixture's namespace, serving what the agent answered from files.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::dialect::Dialect;
use super::served::end;

/// Where it answers.
pub(crate) const PORT: u16 = 8080;
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// A folder with its files, and then nginx itself.
pub(crate) struct Nginx {
    netns: String,
    folder: PathBuf,
    child: Option<Child>,
}

impl Nginx {
    /// Makes its folder.
    pub(crate) fn prepare(netns: &str) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("conns-bench-{}", std::process::id()));
        let nginx = Self { netns: netns.to_owned(), folder, child: None };
        let files = nginx.folder.join("files");
        fs::create_dir_all(&files)
            .with_context(|| format!("cannot make the folder {}", files.display()))?;
        // Its workers are another user.
        for folder in [&nginx.folder, &files] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        }
        let folder = nginx.folder.display();
        let config = format!(
            "daemon off;\nworker_processes 2;\npid {folder}/pid;\nerror_log {folder}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n access_log off;\n sendfile on;\n tcp_nopush on;\n\
             keepalive_timeout 65;\n keepalive_requests 1000000000;\n default_type application/json;\n\
             server {{ listen 127.0.0.1:{PORT}; root {folder}/files; }}\n}}\n"
        );
        fs::write(nginx.config(), config).context("cannot write the configuration of nginx")?;
        Ok(nginx)
    }

    fn config(&self) -> PathBuf {
        self.folder.join("nginx.conf")
    }

    /// Where it is, for files of others.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives it the answer of a dialect to serve.
    pub(crate) fn put(&self, dialect: &Dialect, body: &[u8]) -> anyhow::Result<()> {
        let place = self.folder.join("files").join(dialect.name);
        fs::write(&place, body).with_context(|| format!("cannot write {}", place.display()))
    }

    /// Starts it and waits until it accepts.
    pub(crate) fn start(mut self) -> anyhow::Result<Self> {
        let config = self.config();
        let child = Command::new(crate::own::program()?)
            .args(["inside", "--netns", &self.netns, "--", "nginx", "-c"])
            .arg(config)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start nginx; install nginx-light")?;
        let child = self.child.insert(child);
        let until = Instant::now() + READY_TIMEOUT;
        loop {
            if let Some(status) = child.try_wait()? {
                bail!("nginx ended with {status}: its error is above; is nginx-light installed?");
            }
            let netns = self.netns.clone();
            let knock = std::thread::spawn(move || {
                crate::inside::enter(&netns)?;
                Ok::<_, anyhow::Error>(TcpStream::connect(SocketAddr::from((
                    Ipv4Addr::LOCALHOST,
                    PORT,
                ))))
            });
            match knock.join().map_err(|_| anyhow::anyhow!("the thread that knocks panicked"))?? {
                Ok(_) => return Ok(self),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error).context("cannot reach nginx"),
            }
            ensure!(Instant::now() < until, "nginx does not accept within {READY_TIMEOUT:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it and removes its folder.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            end(&child)?;
            child.wait().context("cannot wait for nginx to end")?;
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Its workers end with it when it is asked to, not when it is killed.
            let _ = end(&child);
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
