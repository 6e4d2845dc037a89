// A client of Filtros::Proxy that shares nothing with IceFlix: C++, found through the naming
// service. Prints what it is answered, a line each.
//
// client corbaname::HOST:PORT#IceFlix/Proxy USER HASH [-ORB options]

#include "filtrado.hh"

#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

Filtros::Lista list(const std::vector<std::string>& names) {
  Filtros::Lista result;
  result.length(names.size());
  for (CORBA::ULong i = 0; i < names.size(); ++i) result[i] = names[i].c_str();
  return result;
}

void ask(Filtros::Proxy_ptr proxy, const char* user, const char* hash, const char* image,
         const std::vector<std::string>& names) {
  const Filtros::Lista filters = list(names);
  std::cout << (proxy->getFiltrado(user, hash, image, filters) ? "true" : "false") << std::endl;
  try {
    Filtros::Resultado_var result = proxy->filtrar(user, hash, image, filters);
    std::cout << result->imagen << " " << result->segundos << std::endl;
  } catch (const Filtros::Denegado& refused) {
    std::cout << refused.motivo << ": " << refused.detalle << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    CORBA::ORB_var orb = CORBA::ORB_init(argc, argv);
    CORBA::Object_var object = orb->string_to_object(argv[1]);
    Filtros::Proxy_var proxy = Filtros::Proxy::_narrow(object);
    if (CORBA::is_nil(proxy)) {
      std::cout << "this is no Filtros::Proxy" << std::endl;
      return 1;
    }
    Filtros::Lista_var running = proxy->getFiltros();
    for (CORBA::ULong i = 0; i < running->length(); ++i) std::cout << running[i] << std::endl;
    ask(proxy, argv[2], argv[3], "año/日本.png", {"gray", "blur:radius=4"});
    ask(proxy, argv[2], "0000", "a.png", {"gray"});
    ask(proxy, argv[2], argv[3], "../a.png", {"gray"});
    ask(proxy, argv[2], argv[3], "a.png", {});
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] { proxy->getFiltrado(argv[2], argv[3], "a.png", list({"slow"})); });
    for (auto& thread : threads) thread.join();
    std::cout << "eight at once" << std::endl;
    orb->destroy();
    return 0;
  } catch (const CORBA::Exception& error) {
    std::cout << "CORBA: " << error._name() << std::endl;
    return 1;
  }
}
