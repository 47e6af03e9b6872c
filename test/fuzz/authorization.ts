/** Arbitrary `Authorization` values: what a client or an attacker makes of `Bearer <token>`. */

import fc from 'fast-check'

/** Characters that mean something somewhere on the way, and some that only look like others. */
const CHARACTERS = [
  ...' \t\r\n\0\v\f,;:="\'\\/.-_~+?&%#@()<>[]{}|`^!$*',
  ...'aZ09Bb',
  '\x7F\x80\xA0\xE9\xFF',
  '\u0131\u017F\u212A\u200B\u2028\uFEFF\uFF22\u0435\uD800\uDC00',
  '\u{1F511}',
].flatMap((text) => [...text])

const PARTS = [
  'Bearer ',
  'bearer ',
  'Bearer',
  'Bearer\t',
  'Basic YTpi',
  'DPoP ',
  'Digest username="a"',
  'Negotiate ',
  ', ',
  ',',
  '\r\n ',
  '\r\nAuthorization: Bearer ',
  '==',
  '%20',
  '  ',
  'access_token=',
  '{"$ne":null}',
  '__proto__',
  'null',
  'undefined',
]

type Mutation = (value: string, at: number, choice: number) => string

const insert = (value: string, at: number, text: string): string =>
  value.slice(0, at) + text + value.slice(at)
const pick = (list: readonly string[], choice: number): string => list[choice % list.length] ?? ''

function mutations(good: string): readonly Mutation[] {
  return [
    (value, at, choice) => insert(value, at, pick(CHARACTERS, choice)),
    (value, at, choice) => insert(value, at, String.fromCharCode(choice)),
    (value, at, choice) => insert(value, at, pick([...PARTS, good, `Bearer ${good}`], choice)),
    (value, at, choice) => value.slice(0, at) + pick(CHARACTERS, choice) + value.slice(at + 1),
    (value, at, choice) => value.slice(0, at) + value.slice(at + 1 + (choice % 4)),
    (value, at) => value.slice(0, at),
    (value, at) => value.slice(at),
    (value, at) => value.slice(at) + value.slice(0, at),
    (value, at) => value.slice(0, at) + value.slice(at).toUpperCase(),
    (value, at) => value.slice(0, at).toLowerCase() + value.slice(at),
    (value, at, choice) => insert(value, at, value.charAt(at).repeat(1 + (choice % 64))),
    // Repeats that cross the limits of 8,192 and 16,384 characters now and then, and never go far beyond.
    (value, at, choice) =>
      choice % 64 === 0 && value.length < 20_000
        ? insert(value, at, value.charAt(at).repeat(choice % 16_500))
        : value,
    (value, _, choice) =>
      pick([`${value}, ${value}`, `${value},${value}`, `${value} ${value}`, `,${value}`], choice),
    (value, _, choice) => pick(PARTS, choice) + value.slice(value.indexOf(' ') + 1),
    (_, at, choice) => `Bearer${' '.repeat(1 + (at % 4))}${good}${pick(['', '', '=', ' '], choice)}`,
  ]
}

/** Valid values, changed up to four times. */
export function authorizationValues(good: string): fc.Arbitrary<string> {
  const all = mutations(good)
  const step = fc.tuple(fc.nat(all.length - 1), fc.nat(), fc.nat(0xffff))
  return fc
    .tuple(
      fc.constantFrom<string>(`Bearer ${good}`, `bearer ${good}`, 'Bearer a', 'Bearer a.b-c_d~e+f/g=='),
      fc.array(step, { maxLength: 4 }),
    )
    .map(([start, steps]) =>
      steps.reduce<string>(
        (value, [index, at, choice]) => all[index]?.(value, at % (value.length + 1), choice) ?? value,
        start,
      ),
    )
}
