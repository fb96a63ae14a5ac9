//! Both sides of a connection of RTMP, as bytes.

/// What the client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Publish,
    Play,
}

/// The size of a chunk on both sides.
const CHUNK: usize = 4096;
const COMMAND: u8 = 20;
const VIDEO: u8 = 9;

/// A message of type `kind`, cut into chunks of at most `chunk` bytes.
fn message(chunk_stream: u8, kind: u8, stream: u8, body: &[u8], chunk: usize) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    let mut bytes =
        vec![chunk_stream, 0, 0, 0, length[1], length[2], length[3], kind, stream, 0, 0, 0];
    for (number, part) in body.chunks(chunk).enumerate() {
        if number > 0 {
            bytes.push(0xc0 | chunk_stream);
        }
        bytes.extend_from_slice(part);
    }
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [&[2, 0, text.len() as u8], text.as_bytes()].concat()
}

fn number(number: f64) -> Vec<u8> {
    [&[0], &number.to_be_bytes()[..]].concat()
}

fn object(name: &str, value: &str) -> Vec<u8> {
    [&[3, 0, name.len() as u8], name.as_bytes(), &text(value), &[0, 0, 9]].concat()
}

fn command(stream: u8, values: &[Vec<u8>]) -> Vec<u8> {
    message(3, COMMAND, stream, &values.concat(), CHUNK)
}

/// Everything before the media, in its order; `true` is of the client.
pub(super) fn dialogue(name: &str, role: Role) -> Vec<(bool, Vec<u8>)> {
    let chunk_size = message(2, 1, 0, &(CHUNK as u32).to_be_bytes(), CHUNK);
    let null = vec![5];
    let mut hello = vec![0; 1 + 1536];
    hello[0] = 3;
    let (ask, code) = match role {
        Role::Publish => ("publish", "NetStream.Publish.Start"),
        Role::Play => ("play", "NetStream.Play.Start"),
    };
    vec![
        (true, hello.clone()),
        (false, [hello, vec![0; 1536]].concat()),
        (true, vec![0; 1536]),
        (
            true,
            [
                chunk_size.clone(),
                command(0, &[text("connect"), number(1.0), object("app", "live")]),
            ]
            .concat(),
        ),
        (false, [chunk_size, command(0, &[text("_result"), number(1.0), null.clone()])].concat()),
        (true, command(0, &[text("createStream"), number(2.0), null.clone()])),
        (false, command(0, &[text("_result"), number(2.0), null.clone(), number(1.0)])),
        (true, command(1, &[text(ask), number(3.0), null.clone(), text(name)])),
        (false, command(1, &[text("onStatus"), number(0.0), null, object("code", code)])),
    ]
}

/// A message of H.264 with this number of bytes.
pub(super) fn picture(bytes: usize) -> Vec<u8> {
    let mut body: Vec<u8> = (0..bytes).map(|at| (at * 7 + 130) as u8).collect();
    body[..5].copy_from_slice(&[0x27, 1, 0, 0, 0]);
    message(6, VIDEO, 1, &body, CHUNK)
}
