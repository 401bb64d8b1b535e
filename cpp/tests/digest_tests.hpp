#pragma once

namespace gradstep::tests {

// Any change of any bytes is seen, whatever their number.
void test_digest();

}  // namespace gradstep::tests
