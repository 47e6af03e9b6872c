/** Writes the request of the editor as code in seven languages. */

import { HTTPSnippet } from '@readme/httpsnippet'
import { urlOf } from './exchange.ts'
import type { Draft, Snippet } from './model.ts'

type Target = Parameters<InstanceType<typeof HTTPSnippet>['convert']>

const LANGUAGES: readonly (readonly [name: string, target: Target[0], client: string])[] = [
  ['curl', 'shell', 'curl'],
  ['Python', 'python', 'requests'],
  ['JavaScript', 'javascript', 'fetch'],
  ['Node.js', 'node', 'fetch'],
  ['PHP', 'php', 'curl'],
  ['Java', 'java', 'nethttp'],
  ['C#', 'csharp', 'httpclient'],
]

/** Stands for the token, so that no real one is copied by accident. */
export const PLACEHOLDER = 'YOUR_TOKEN'

/** @param isReal whether the code contains the token itself */
export async function snippetsOf(draft: Draft, origin: string, isReal: boolean): Promise<readonly Snippet[]> {
  const url = urlOf(draft, origin)
  const token = isReal ? draft.token : PLACEHOLDER
  const authorization = draft.token === '' ? [] : [['Authorization', `Bearer ${token}`] as const]
  const headers = [...authorization, ...draft.headers].map(([name, value]) => ({ name, value }))
  const mimeType = draft.headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? 'text/plain'
  return Promise.all(
    LANGUAGES.map(async ([name, target, client]) => {
      const body = draft.method === 'GET' ? {} : { postData: postData(draft.body, mimeType, name) }
      const snippet = new HTTPSnippet({
        method: draft.method,
        url,
        headers,
        ...body,
      } as never)
      const made = await snippet.convert(target, client)
      return { name, code: completed(name, String([made].flat()[0])) }
    }),
  )
}

function postData(body: string, mimeType: string, name: string): object {
  const isScript = name === 'JavaScript' || name === 'Node.js'
  if (mimeType !== 'application/x-www-form-urlencoded')
    return { mimeType, text: isScript ? escapedJson(body) : body }
  // The library does not escape quotation marks in forms for these targets.
  const marks = { 'Node.js': /[\\']/g, 'C#': /[\\"]/g }[name]
  const quoted = (value: string) => (marks === undefined ? value : value.replaceAll(marks, '\\$&'))
  const params = [...new URLSearchParams(body)].map(([key, value]) => ({
    name: quoted(key),
    value: quoted(value),
  }))
  return { mimeType, params }
}

/** Doubles backslashes in the strings of JSON, which the library does not escape in JavaScript. */
function escapedJson(body: string): string {
  try {
    const escaped = (_name: string, value: unknown) =>
      typeof value === 'string' ? value.replaceAll('\\', '\\\\') : value
    return JSON.stringify(JSON.parse(body, escaped))
  } catch {
    return body
  }
}

/** Adds what the library leaves out, so that the code runs as it is shown. */
function completed(name: string, code: string): string {
  // Otherwise the shell would replace variables in the body.
  if (name === 'curl') return code.replace('<<EOF', "<<'EOF'")
  return name === 'Java' ? javaProgram(code) : code
}

/** Makes a program of Java statements, for `java Main.java`. */
function javaProgram(statements: string): string {
  const body = statements.replaceAll(/^(?=.)/gm, '        ')
  return `import java.net.URI;
import java.net.http.*;

class Main {
    public static void main(String[] arguments) throws Exception {
${body}
    }
}`
}
