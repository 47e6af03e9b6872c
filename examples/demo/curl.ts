/** Lines to paste into a shell. They carry working tokens, for whoever reads them is the one to use them. */

import type { Api } from './apis.ts'
import { AUDIENCE, type AuthorizationServer, CLIENT } from './authorization-server.ts'
import type { Sessions } from './sessions.ts'
import { EMPLOYEE } from './story.ts'

export async function curlLines(
  apis: readonly Api[],
  server: AuthorizationServer,
  sessions: Sessions,
): Promise<readonly string[]> {
  const jwt = await server.issue('read write')
  const opaque = await sessions.open('emma', ['read', 'write'])
  const bearer = (token: string) => `-H 'Authorization: Bearer ${token}'`
  const json = (body: unknown) => `-H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`
  const lines = apis.flatMap(({ name, origin }) => [
    '',
    `# ${name}: without a token, with a JWT, with an opaque token, JSON, a form, and a login`,
    `curl -i ${origin}/echo/get/json`,
    `curl -i ${origin}/echo/get/json ${bearer(jwt)}`,
    `curl -i ${origin}/echo/get/json ${bearer(opaque)}`,
    `curl -i ${origin}/echo/post/json ${bearer(opaque)} ${json(EMPLOYEE)}`,
    `curl -i ${origin}/echo/post/form ${bearer(opaque)} -d 'name=Emma Stone' -d city=Boston`,
    `curl -i ${origin}/login ${json({ user: 'emma', password: 'demo-password' })}`,
  ])
  const grant = `-d grant_type=client_credentials -d 'scope=read write' -d resource=${AUDIENCE}`
  return [
    ...lines,
    '',
    '# Another JWT, for these are good for an hour',
    `curl ${server.issuer}/token -u ${CLIENT.id}:${CLIENT.secret} ${grant}`,
  ]
}
