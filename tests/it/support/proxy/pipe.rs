//! One connection through the proxy.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Cut, End, Shared, Target};

/// What is passed on at once.
const PIECE: usize = 16 << 10;
/// What the application name of the connection that writes begins with.
const WRITER: &str = "asset-indexer writer";

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why a connection is over.
enum Over {
    /// One side ended it.
    Ended,
    /// The proxy does.
    Cut,
    /// Nothing passes any more.
    Deaf,
}

pub(super) async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(serve(client, shared.clone()));
    }
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let (mut cuts, mut deaf) = (shared.cuts.subscribe(), shared.deaf.subscribe());
    if *deaf.borrow_and_update() {
        return swallow(&mut client, &mut cuts).await;
    }
    let target = shared.settings().target.clone();
    let server: io::Result<Box<dyn Stream>> = match &target {
        Target::Tcp(address) => TcpStream::connect(address).await.map(|stream| Box::new(stream) as _),
        Target::Postgres(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as _),
    };
    // Small answers must not wait for more to come.
    drop(client.set_nodelay(true));
    let Ok(server) = server else { return end(client, End::Reset) };
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let over = {
        let (from_client, to_client) = client.split();
        let (withhold, withheld) = watch::channel(false);
        let up = async {
            match target {
                Target::Tcp(_) => carry(from_client, &mut to_server, &shared).await,
                Target::Postgres(_) => frontend(from_client, &mut to_server, &shared, &withhold).await,
            }
        };
        tokio::select! {
            over = up => over,
            over = backend(&mut from_server, to_client, &shared, &withheld) => over,
            _ = cuts.changed() => Ok(Over::Cut),
            _ = deaf.wait_for(|deaf| *deaf) => Ok(Over::Deaf),
        }
    };
    match over {
        Ok(Over::Cut) => {
            let how = shared.settings().end;
            end(client, how);
        }
        Ok(Over::Deaf) => {
            swallow(&mut client, &mut cuts).await;
            // The server has not heard of it either, as long as the way is lost.
            drop(deaf.wait_for(|deaf| !deaf).await);
        }
        Ok(Over::Ended) | Err(_) => {}
    }
}

fn end(client: TcpStream, end: End) {
    if end == End::Reset {
        // Closing then discards what is unsent and sends RST.
        drop(client.set_zero_linger());
    }
}

/// Reads and forgets, and never answers, until all connections are cut.
async fn swallow(client: &mut TcpStream, cuts: &mut watch::Receiver<u64>) {
    let mut piece = vec![0; PIECE];
    let reading = async { while client.read(&mut piece).await.is_ok_and(|count| count > 0) {} };
    tokio::select! {
        () = reading => {}
        _ = cuts.changed() => {}
    }
}

/// Towards a server whose language is not read.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
) -> io::Result<Over> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).await?;
        if count == 0 {
            return Ok(Over::Ended);
        }
        let latency = shared.settings().latency;
        wait(latency).await;
        to.write_all(&piece[..count]).await?;
    }
}

/// Towards PostgreSQL, message by message.
async fn frontend(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
    withhold: &watch::Sender<bool>,
) -> io::Result<Over> {
    let startup = message(&mut from, 0).await?;
    let is_writer = startup.windows(WRITER.len()).any(|part| part == WRITER.as_bytes());
    to.write_all(&startup).await?;
    loop {
        let message = message(&mut from, 1).await?;
        let armed = {
            let mut settings = shared.settings();
            settings.messages += u64::from(is_writer);
            settings.armed.filter(|_| is_writer).map(|cut| (cut, settings.messages))
        };
        let latency = shared.settings().latency;
        wait(latency).await;
        let commits = is_commit(&message);
        match armed {
            Some((Cut::Messages(most), sent)) if sent > most => {
                shared.strike();
                return Ok(Over::Cut);
            }
            Some((Cut::Silence(most), sent)) if sent > most => {
                shared.strike();
                return Ok(Over::Deaf);
            }
            Some((Cut::CommitLost, _)) if commits => {
                shared.strike();
                return Ok(Over::Cut);
            }
            Some((Cut::CommitSent, _)) if commits => {
                to.write_all(&message).await?;
                to.flush().await?;
                shared.strike();
                return Ok(Over::Cut);
            }
            Some((Cut::CommitDone | Cut::CommitSilence, _)) if commits => {
                withhold.send_replace(true);
                to.write_all(&message).await?;
            }
            _ => to.write_all(&message).await?,
        }
    }
}

/// A whole message: its type (none at the start of a connection), its length, its body.
async fn message(from: &mut (impl AsyncRead + Unpin), types: usize) -> io::Result<Vec<u8>> {
    let mut message = vec![0; types + 4];
    from.read_exact(&mut message).await?;
    let length: [u8; 4] = message[types..].try_into().expect("four bytes");
    let length = u32::from_be_bytes(length) as usize;
    message.resize(types + length.max(4), 0);
    from.read_exact(&mut message[types + 4..]).await?;
    Ok(message)
}

/// A simple query that says `commit`.
fn is_commit(message: &[u8]) -> bool {
    message[0] == b'Q'
        && message[5..].strip_suffix(b"\0").is_some_and(|sql| sql.eq_ignore_ascii_case(b"commit"))
}

/// Towards the client.
async fn backend(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
    withheld: &watch::Receiver<bool>,
) -> io::Result<Over> {
    let mut piece = vec![0; PIECE];
    loop {
        let most =
            shared.settings().bytes_per_second.map_or(PIECE, |rate| (rate as usize / 20).clamp(1, PIECE));
        let count = from.read(&mut piece[..most]).await?;
        if count == 0 {
            return Ok(Over::Ended);
        }
        if *withheld.borrow() {
            // PostgreSQL waited for the COMMIT with everything answered: this is its answer.
            let told = shared.settings().armed == Some(Cut::CommitDone);
            shared.strike();
            return Ok(if told { Over::Cut } else { Over::Deaf });
        }
        let (latency, rate, passing) = {
            let mut settings = shared.settings();
            let left = match settings.armed {
                Some(Cut::Answer(bytes)) => bytes.saturating_sub(settings.answered),
                _ => usize::MAX,
            };
            settings.answered += count;
            (settings.latency, settings.bytes_per_second, count.min(left))
        };
        wait(latency).await;
        if let Some(rate) = rate {
            wait(Duration::from_secs_f64(count as f64 / rate as f64)).await;
        }
        to.write_all(&piece[..passing]).await?;
        if passing < count {
            to.flush().await?;
            shared.strike();
            return Ok(Over::Cut);
        }
    }
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}
