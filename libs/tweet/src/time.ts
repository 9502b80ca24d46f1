/** Before X's first post (id 20, 2006-03-21) nothing was posted anywhere that is read here. */
const FIRST_POST_MS = Date.UTC(2006, 2, 21);
/** Fixed, so that a row depends on nothing but its record. */
const LAST_POST_MS = Date.UTC(2100, 0, 1);

/** Whether something can have been posted or recorded then. */
export function isPlausible(ms: number): boolean {
  return ms >= FIRST_POST_MS && ms < LAST_POST_MS;
}

const CLOCK = String.raw`(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?`;
const ZONE = String.raw` ?(Z|z|UTC|GMT|UT|[+-]\d\d(?::?\d\d)?)?`;
/** RFC 3339 and what of ISO 8601 people write: a space for the T, no seconds, no zone. */
const ISO = new RegExp(String.raw`^(\d{4})-(\d\d)-(\d\d)(?:[Tt ]${CLOCK}${ZONE})?$`);
/** X's API v1.1: `Wed Oct 10 20:19:24 +0000 2018`. */
const STATUS = new RegExp(
  String.raw`^[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d?) ${CLOCK}${ZONE} (\d{4})$`,
);
/** RFC 5322, as X's search API of version 1 wrote: `Wed, 10 Oct 2018 20:19:24 +0000`. */
const MAIL = new RegExp(
  String.raw`^(?:[A-Z][a-z]{2}, )?(\d\d?) ([A-Z][a-z]{2}) (\d{4}) ${CLOCK}${ZONE}$`,
);
const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

/**
 * Milliseconds since 1970 of a time in one of the forms that sources use, or null. Never Date.parse,
 * which takes a time without a zone for one of this machine's: here it is UTC, on every machine.
 * Finer fractions are cut off; a leap second is the first of the next minute. Numbers, also as
 * text, count seconds, milliseconds or microseconds since 1970, whichever gives a plausible time.
 */
export function timeOf(value: unknown): number | null {
  if (typeof value === "number") return epochOf(value);
  if (typeof value !== "string" || value.length > 64) return null;
  const usual = usualTimeOf(value);
  if (usual !== null) return usual;
  const iso = ISO.exec(value);
  if (iso) {
    const [, year, month, day, hour, minute, second, fraction, zone] = iso;
    return instantOf(year, Number(month), day, [hour, minute, second, fraction], zone);
  }
  const status = STATUS.exec(value);
  if (status) {
    const [, month, day, hour, minute, second, fraction, zone, year] = status;
    return instantOf(year, monthOf(month), day, [hour, minute, second, fraction], zone);
  }
  const mail = MAIL.exec(value);
  if (mail) {
    const [, day, month, year, hour, minute, second, fraction, zone] = mail;
    return instantOf(year, monthOf(month), day, [hour, minute, second, fraction], zone);
  }
  return /^\d{10,16}$/.test(value) ? epochOf(Number(value)) : null;
}

/**
 * `2026-11-23T08:59:59.123Z` and `Sun Nov 23 08:59:59 +0000 2026`, read by position; null is no
 * answer. Nearly all times are one of these, and the expressions take 0.5 us for each.
 */
function usualTimeOf(value: string): number | null {
  const isIso = value[4] === "-" && value[7] === "-" && value[10] === "T" && value[19] === ".";
  if (isIso && value.length === 24 && value[23] === "Z") {
    const ms = twoDigits(value, 20) * 10 + (twoDigits(value, 21) % 10);
    const year = twoDigits(value, 0) * 100 + twoDigits(value, 2);
    return utcOf(value, year, twoDigits(value, 5), ms);
  }
  const isStatus = value[3] === " " && value[7] === " " && value[10] === " ";
  if (isStatus && value.length === 30 && value.startsWith(" +0000 ", 19)) {
    const year = twoDigits(value, 26) * 100 + twoDigits(value, 28);
    return utcOf(value, year, monthOf(value.slice(4, 7)), 0);
  }
  return null;
}

/** Both forms have the date at 8 and the clock at 11. No digit is NaN, and false in comparisons. */
function utcOf(value: string, year: number, month: number, ms: number): number | null {
  const date = twoDigits(value, 8);
  const h = twoDigits(value, 11);
  const m = twoDigits(value, 14);
  const s = twoDigits(value, 17);
  const isUsual = year >= 100 && month >= 1 && month <= 12 && date >= 1 && date <= 28;
  if (!isUsual || !(h <= 23 && m <= 59 && s <= 59)) return null;
  if (value[13] !== ":" || value[16] !== ":") return null;
  const utc = Date.UTC(year, month - 1, date, h, m, s, ms);
  return Number.isFinite(utc) ? utc : null;
}

function twoDigits(text: string, at: number): number {
  const high = text.charCodeAt(at) - 0x30;
  const low = text.charCodeAt(at + 1) - 0x30;
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : Number.NaN;
}

export function epochOf(value: number): number | null {
  for (const msPerUnit of [1, 1_000, 0.001]) {
    const ms = Math.floor(value * msPerUnit);
    if (isPlausible(ms)) return ms;
  }
  return null;
}

type Digits = string | undefined;

function instantOf(
  year: Digits,
  month: number,
  day: Digits,
  [hour, minute, second, fraction]: readonly [Digits, Digits, Digits, Digits],
  zone: Digits,
): number | null {
  const date = Number(day);
  if (month < 1 || month > 12 || date < 1 || date > daysOf(Number(year), month)) return null;
  const [h, m, s] = [Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0)];
  if (h > 23 || m > 59 || s > 60) return null;
  const offset = offsetOf(zone);
  if (offset === null) return null;
  const ms = Number((fraction ?? "").slice(0, 3).padEnd(3, "0"));
  // The years 0 to 99 would be 1900 to 1999 to Date.UTC; they are 400 years and a whole number of
  // weeks apart from others with the same calendar.
  const start = Date.UTC(Number(year) + 400, month - 1, date, h, m, s, ms) - MS_OF_400_YEARS;
  return start - offset;
}

const MS_OF_400_YEARS = 146_097 * 86_400_000;

function offsetOf(zone: Digits): number | null {
  if (zone === undefined || !/^[+-]/.test(zone)) return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  const ofHour = zone.length > 3 ? minutes : 0;
  if (hours > 23 || ofHour > 59) return null;
  return (hours * 60 + ofHour) * 60_000 * (zone.startsWith("-") ? -1 : 1);
}

function monthOf(name: Digits): number {
  const index = MONTHS.indexOf(name ?? "?");
  return index % 3 === 0 ? index / 3 + 1 : 0;
}

function daysOf(year: number, month: number): number {
  if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** Ids of X are times since November 2010 (github.com/twitter-archive/snowflake); 2^40 is minutes later. */
const SNOWFLAKE_EPOCH_MS = 1_288_834_974_657n;
const SNOWFLAKE_MIN = 2n ** 40n;

/** When the post of X with this id was posted, in ms since 1970; null when the id does not say. */
export function snowflakeTime(id: string): number | null {
  if (!/^\d{13,19}$/.test(id)) return null;
  const number = BigInt(id);
  if (number < SNOWFLAKE_MIN) return null;
  const ms = Number((number >> 22n) + SNOWFLAKE_EPOCH_MS);
  return isPlausible(ms) ? ms : null;
}
