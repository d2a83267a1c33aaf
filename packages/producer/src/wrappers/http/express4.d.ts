/** Express 4 under another name, for tests: what of it they use is as in 5. */
declare module 'express4' {
  import express from 'express';
  export default express;
}
