// argon2id alone, by @node-rs/argon2: see argon2_alone.py.
import { verifySync } from '@node-rs/argon2'

const [stored, password, seconds] = process.argv.slice(2)
const begin = performance.now()
let count = 0
while (performance.now() - begin < seconds * 1000) {
  if (!verifySync(stored, password)) throw new Error('not verified')
  count += 1
}
console.log(count / ((performance.now() - begin) / 1000))
