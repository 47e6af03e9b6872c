/** Syntax that several header fields share (RFC 9110 §5.6). */

/** Removes SP and HTAB at both ends (RFC 9110 §5.6.3). `trim` also removes NBSP and other characters, which belong to a value. */
export function withoutSpace(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && isSpace(text[start])) start += 1
  while (end > start && isSpace(text[end - 1])) end -= 1
  return text.slice(start, end)
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}
