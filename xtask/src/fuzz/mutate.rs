//! Makes something broken of manifests, in the ways in which they break.

/// Numbers below a bound, by chance or not.
pub type Dice<'a> = &'a mut dyn FnMut(usize) -> usize;

/// Pieces on which parsers stumble.
const PIECES: &[&str] = &[
    "---\n",
    "...\n",
    "\t",
    "\r",
    "\r\n",
    "\u{feff}",
    "\0",
    "&a ",
    "*a",
    "<<: *a\n",
    "<<: ",
    "[",
    "]",
    "{",
    "}",
    "- ",
    "? ",
    ": ",
    "#",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "\\",
    "\\u0000",
    "!!binary ",
    "!!str ",
    "!x ",
    "%YAML 1.2\n",
    "~",
    "null",
    "yes",
    "0o17",
    "0x",
    "1e999",
    ".nan",
    "-.inf",
    "99999999999999999999",
    "-1",
    "65536",
    "é",
    "\u{85}",
    "\u{2028}",
    "&a [*a]",
    "items:\n",
    "kind: List\n",
    "kind: Secret\n",
    "apiVersion: v1\n",
    "metadata: {name: a}\n",
    "spec:\n",
];

/// A manifest, broken several times.
pub fn mutated(manifests: &[Vec<u8>], dice: Dice) -> Vec<u8> {
    let mut text = pick(manifests, dice).cloned().unwrap_or_default();
    for _ in 0..=dice(6) {
        mutate(&mut text, manifests, dice);
    }
    text
}

fn mutate(text: &mut Vec<u8>, manifests: &[Vec<u8>], dice: Dice) {
    match dice(11) {
        0 => {
            let at = dice(text.len() + 1);
            text.insert(at, byte(dice));
        }
        1 if !text.is_empty() => {
            let at = dice(text.len());
            if let Some(byte) = text.get_mut(at) {
                *byte ^= 1 << dice(8);
            }
        }
        2 => drop(text.drain(range(text.len(), dice))),
        3 => {
            let piece: Vec<u8> = text.get(range(text.len(), dice)).unwrap_or_default().to_vec();
            insert(text, &piece, dice);
        }
        4 | 5 => insert(text, pick(PIECES, dice).map(|piece| piece.as_bytes()).unwrap_or_default(), dice),
        6 => lines(text, b"\n", dice),
        7 => lines(text, b"\n---\n", dice),
        8 => {
            let other = pick(manifests, dice).cloned().unwrap_or_default();
            text.extend(b"\n---\n");
            text.extend(other);
        }
        9 => {
            let depth = dice(400);
            let piece = pick(&["[", "{a: ", "- ", "? ", "&a [", "a:\n "], dice).copied().unwrap_or_default();
            insert(text, piece.repeat(depth).as_bytes(), dice);
        }
        _ => {
            let anchor = |n| format!("x{n}: &x{n} [*x{m}, *x{m}, *x{m}]\n", m = n - 1);
            let anchors: Vec<String> = (1..=dice(9)).map(anchor).collect();
            insert(text, format!("\nx0: &x0 [a, a]\n{}", anchors.concat()).as_bytes(), dice);
        }
    }
}

/// Swaps, drops or repeats pieces between separators.
fn lines(text: &mut Vec<u8>, separator: &[u8], dice: Dice) {
    let all = String::from_utf8_lossy(text).into_owned();
    let separator = String::from_utf8_lossy(separator).into_owned();
    let mut parts: Vec<&str> = all.split(separator.as_str()).collect();
    let (a, b) = (dice(parts.len()), dice(parts.len()));
    match dice(3) {
        0 => parts.swap(a, b),
        1 => drop(parts.remove(a)),
        _ => parts.insert(b, parts.get(a).copied().unwrap_or_default()),
    }
    *text = parts.join(separator.as_str()).into_bytes();
}

fn insert(text: &mut Vec<u8>, piece: &[u8], dice: Dice) {
    let at = dice(text.len() + 1);
    text.splice(at..at, piece.iter().copied());
}

fn range(length: usize, dice: Dice) -> std::ops::Range<usize> {
    let (a, b) = (dice(length + 1), dice(length + 1));
    a.min(b)..a.max(b)
}

fn byte(dice: Dice) -> u8 {
    u8::try_from(dice(256)).unwrap_or_default()
}

fn pick<'a, T>(from: &'a [T], dice: Dice) -> Option<&'a T> {
    from.get(dice(from.len().max(1)))
}
