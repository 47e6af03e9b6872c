/** Polls the transmitter at the URL of its argument, and does nothing else. Its output has one line for each failure. */

import { pollSecurityEvents } from '@bearergate/core/signals'

const events = pollSecurityEvents({
  issuer: 'https://id.example.com',
  audience: 'https://api.example.com',
  endpoint: process.argv[2] as string,
  gate: { revoke: async () => {} },
  onRejected: ({ cause }) => console.log(String(cause)),
})
void events.run(new AbortController().signal)
