# `cmake --install`: bin/cola, lib/libcola.a, include/cola/, lib/cmake/cola/ for find_package(cola).
include(CMakePackageConfigHelpers)

install(TARGETS cola_library EXPORT colaTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET cola_cli)
  install(TARGETS cola_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET cola_cuda)
  install(TARGETS cola_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/cola)
endif()
install(DIRECTORY include/cola DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/cola)
install(EXPORT colaTargets NAMESPACE cola:: DESTINATION ${package_folder})
configure_package_config_file(cmake/colaConfig.cmake.in ${PROJECT_BINARY_DIR}/package/colaConfig.cmake
                              INSTALL_DESTINATION ${package_folder})
# Until 1.0 a minor version may change the API.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/colaConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/colaConfig.cmake ${PROJECT_BINARY_DIR}/package/colaConfigVersion.cmake
        DESTINATION ${package_folder})
