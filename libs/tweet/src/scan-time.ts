const NOT_A_NUMBER = Number.NaN;

/**
 * As timeOf, in bytes, of the forms that sources write: `2026-11-23T08:59:59.123456Z` (with up to
 * nine digits of a fraction or none, and `+00:00` for Z). NaN is no answer.
 */
export function isoTimeAt(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length < 20 || length > 35) return NOT_A_NUMBER;
  if (bytes[start + 4] !== 0x2d || bytes[start + 7] !== 0x2d || bytes[start + 10] !== 0x54) {
    return NOT_A_NUMBER;
  }
  let at = start + 19;
  let ms = 0;
  if (bytes[at] === 0x2e) {
    const first = at + 1;
    at = first;
    let weight = 100;
    for (;;) {
      const digit = (bytes[at] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) break;
      ms += digit * weight;
      weight = weight === 100 ? 10 : weight === 10 ? 1 : 0;
      at += 1;
    }
    if (at === first) return NOT_A_NUMBER;
  }
  if (!isUtcAt(bytes, at, end)) return NOT_A_NUMBER;
  const year = twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2);
  const day = dayAt(year, twoDigits(bytes, start + 5), twoDigits(bytes, start + 8));
  return day + clockAt(bytes, start + 11) + ms;
}

function isUtcAt(bytes: Uint8Array, at: number, end: number): boolean {
  if (bytes[at] === 0x5a) return at + 1 === end;
  return (
    at + 6 === end &&
    bytes[at] === 0x2b &&
    bytes[at + 1] === 0x30 &&
    bytes[at + 2] === 0x30 &&
    bytes[at + 3] === 0x3a &&
    bytes[at + 4] === 0x30 &&
    bytes[at + 5] === 0x30
  );
}

/** As timeOf, of `Wed Oct 10 20:19:24 +0000 2018`. */
export function statusTimeAt(bytes: Uint8Array, start: number, end: number): number {
  if (end - start !== 30 || !isWeekday(bytes, start)) return NOT_A_NUMBER;
  if (bytes[start + 3] !== 0x20 || bytes[start + 7] !== 0x20 || bytes[start + 10] !== 0x20) {
    return NOT_A_NUMBER;
  }
  for (let index = 0; index < ZONE.length; index++) {
    if (bytes[start + 19 + index] !== ZONE[index]) return NOT_A_NUMBER;
  }
  const year = twoDigits(bytes, start + 26) * 100 + twoDigits(bytes, start + 28);
  const day = dayAt(year, monthAt(bytes, start + 4), twoDigits(bytes, start + 8));
  return day + clockAt(bytes, start + 11);
}

const ZONE = Uint8Array.from(" +0000 ", (each) => each.charCodeAt(0));
const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const monthNumbers = new Map(
  Array.from({ length: 12 }, (_, index) => {
    const name = MONTHS.slice(index * 3, index * 3 + 3);
    return [name.charCodeAt(0) | (name.charCodeAt(1) << 8) | (name.charCodeAt(2) << 16), index + 1];
  }),
);

function monthAt(bytes: Uint8Array, at: number): number {
  const name = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return monthNumbers.get(name) ?? 0;
}

function isWeekday(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at] ?? 0;
  return first >= 0x41 && first <= 0x5a && isLower(bytes[at + 1]) && isLower(bytes[at + 2]);
}

function isLower(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x61 && byte <= 0x7a;
}

/** `hh:mm:ss` in ms; a leap second is no answer. */
function clockAt(bytes: Uint8Array, at: number): number {
  const h = twoDigits(bytes, at);
  const m = twoDigits(bytes, at + 3);
  const s = twoDigits(bytes, at + 6);
  if (!(h <= 23 && m <= 59 && s <= 59)) return NOT_A_NUMBER;
  if (bytes[at + 2] !== 0x3a || bytes[at + 5] !== 0x3a) return NOT_A_NUMBER;
  return (h * 3_600 + m * 60 + s) * 1_000;
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const high = (bytes[at] ?? 0) - 0x30;
  const low = (bytes[at + 1] ?? 0) - 0x30;
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : NOT_A_NUMBER;
}

const DAYS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
let lastDate = -1;
let lastDayMs = NOT_A_NUMBER;

/** The beginning of a day in ms. Posts that come together are of one day: it is kept. */
function dayAt(year: number, month: number, date: number): number {
  const packed = (year * 16 + month) * 32 + date;
  if (packed === lastDate) return lastDayMs;
  // Storable years only; others are for the reader in JavaScript.
  if (!(year >= 1970 && year < 2200 && month >= 1 && month <= 12 && date >= 1)) return NOT_A_NUMBER;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && isLeap ? 29 : (DAYS[month] ?? 0);
  if (date > days) return NOT_A_NUMBER;
  lastDate = packed;
  lastDayMs = Date.UTC(year, month - 1, date);
  return lastDayMs;
}
